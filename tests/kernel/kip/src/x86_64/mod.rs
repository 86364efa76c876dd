//! Fields of x86_64.

use l4_test::abi::kip::{feature, has_feature};
use l4_test::kip;

pub(crate) fn what_the_architecture_adds() {
    assert!(has_feature(kip::page(), feature::SEGMENTS));
    assert!(!has_feature(kip::page(), feature::ARM_EL2));
    assert!(kip::header().cpu_frequency_khz > 0);
    assert!(kip::header().acpi_rsdp != 0);
}
