//! Processor states that come from user mode.

use l4_abi::arch::aarch64::exception::pstate;

/// AArch32 user mode (SPSR_EL2.M).
const USER_32: u64 = 0x10;
/// SPSR bits that are defined for AArch64 and AArch32 state.
const DEFINED: u64 = u32::MAX as u64;

/// The state to return to for one that user mode asks for (abi/02). One that
/// the CPU would not return to becomes EL0 with the illegal-state bit, so that
/// the thread gets an exception. The CPU itself would stay at EL2 and go on at
/// the thread's address (D1.11.4).
pub(super) fn from_user(value: u64, has_aarch32: impl FnOnce() -> bool) -> u64 {
    let state = value & DEFINED;
    match state & pstate::MODE_MASK {
        pstate::EL0T => state,
        USER_32 if has_aarch32() => state,
        _ => state & !pstate::MODE_MASK | pstate::ILLEGAL,
    }
}

/// The same for a guest, which may be at EL1.
pub(super) fn from_guest(value: u64, has_aarch32: impl FnOnce() -> bool) -> u64 {
    match value & pstate::MODE_MASK {
        pstate::EL1T | pstate::EL1H => value & DEFINED,
        _ => from_user(value, has_aarch32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_but_user_mode_becomes_an_illegal_state_of_user_mode() {
        for mode in 0..=pstate::MODE_MASK {
            for has_aarch32 in [false, true] {
                let state = from_user(0x6000_0000 | mode, || has_aarch32);
                if mode == pstate::EL0T || mode == USER_32 && has_aarch32 {
                    assert_eq!(state, 0x6000_0000 | mode);
                } else {
                    assert_eq!(state, 0x6000_0000 | pstate::ILLEGAL, "{mode:#x}");
                }
            }
        }
    }

    #[test]
    fn guests_can_be_at_el1_and_no_higher() {
        for mode in 0..=pstate::MODE_MASK {
            let state = from_guest(mode, || false);
            let is_legal = matches!(mode, pstate::EL0T | pstate::EL1T | pstate::EL1H);
            let expected = if is_legal { mode } else { pstate::ILLEGAL };
            assert_eq!(state, expected, "{mode:#x}");
        }
    }

    #[test]
    fn bits_that_newer_architectures_may_define_are_dropped() {
        assert_eq!(from_user(!pstate::MODE_MASK, || false), 0xffff_ffe0);
    }
}
