//! Fields of aarch64.

use l4_test::abi::arch::aarch64::KIP_SYSCALL_CODE;
use l4_test::abi::kip::{SYSCALL_CODE_OFFSET, feature, has_feature};
use l4_test::kip;

pub(crate) fn what_the_architecture_adds() {
    assert!(has_feature(kip::page(), feature::ARM_EL2));
    assert!(kip::header().device_tree != 0);
    let code = &kip::page()[SYSCALL_CODE_OFFSET..SYSCALL_CODE_OFFSET + 8];
    let expected = KIP_SYSCALL_CODE.map(u32::to_le_bytes);
    assert_eq!(code, expected.as_flattened());
}
