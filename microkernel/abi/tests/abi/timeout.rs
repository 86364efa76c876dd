use l4_abi::timeout::{Expiry, Timeout, TimeoutPair};
use proptest::prelude::*;

/// Longest relative timeout in µs.
const LONGEST: u64 = 1023 << 31;

#[test]
fn the_named_values_mean_what_they_say() {
    assert_eq!(Timeout::NEVER.expiry(), Expiry::Never);
    assert_eq!(Timeout::ZERO.expiry(), Expiry::Zero);
    assert_eq!(Timeout::LONGEST.expiry(), Expiry::Relative(LONGEST));
    assert_eq!(Timeout::from_micros(0), Timeout::ZERO);
    assert_eq!(Timeout::from_micros(LONGEST), Timeout::LONGEST);
    assert_eq!(Timeout::from_micros(LONGEST + 1), Timeout::NEVER);
    assert_eq!(Timeout::from_micros(u64::MAX), Timeout::NEVER);
}

#[test]
fn an_empty_mantissa_is_zero_but_not_the_zero_timeout() {
    assert_eq!(Timeout::from_raw(0x0800).expiry(), Expiry::Relative(0));
    assert_eq!(Timeout::from_raw(0x7c00).expiry(), Expiry::Relative(0));
}

#[test]
fn the_buffer_register_is_clamped_to_the_last() {
    assert_eq!(Timeout::absolute(5).expiry(), Expiry::Absolute(5));
    assert_eq!(Timeout::from_raw(0x8039).expiry(), Expiry::Absolute(57));
    assert_eq!(Timeout::from_raw(0x803a).expiry(), Expiry::Absolute(57));
    assert_eq!(Timeout::from_raw(0xffff).expiry(), Expiry::Absolute(57));
}

#[test]
fn a_pair_holds_the_receive_timeout_in_its_low_half() {
    let pair = TimeoutPair::new(Timeout::ZERO, Timeout::from_micros(16_000));
    assert_eq!(pair.raw(), 0x0400_13e8);
    assert_eq!(pair.send(), Timeout::ZERO);
    assert_eq!(pair.receive().expiry(), Expiry::Relative(16_000));
}

proptest! {
    #[test]
    fn a_timeout_is_never_too_short_and_less_than_a_500th_too_long(micros in 1..=LONGEST) {
        let Expiry::Relative(encoded) = Timeout::from_micros(micros).expiry() else {
            panic!("{micros} is not relative");
        };
        prop_assert!(encoded >= micros);
        prop_assert!(encoded - micros <= micros / 500);
    }

    #[test]
    fn every_value_has_a_meaning(raw: u16) {
        match Timeout::from_raw(raw).expiry() {
            Expiry::Never => prop_assert_eq!(raw, 0),
            Expiry::Zero => prop_assert_eq!(raw, 0x400),
            Expiry::Relative(micros) => prop_assert!(raw < 0x8000 && micros <= LONGEST),
            Expiry::Absolute(register) => prop_assert!(raw >= 0x8000 && register < 58),
        }
    }

    #[test]
    fn what_can_be_represented_is_represented_exactly(mantissa in 1..1024_u64, exponent in 0..32) {
        let micros = mantissa << exponent;
        prop_assert_eq!(Timeout::from_micros(micros).expiry(), Expiry::Relative(micros));
    }
}
