//! What the syndrome of an exception from user mode means (D19.2.40).

use l4_abi::arch::aarch64::exception::{class, exception_class};

/// PC alignment fault.
const PC_ALIGNMENT: u64 = 0x22;
/// Bits 5..2 of an abort: what kind it is.
const STATUS_TYPE: u64 = 0x3c;
/// The last kind that a mapping can change: address size, translation, access
/// flag and permission faults, but not alignment faults and bus errors.
const STATUS_PERMISSION: u64 = 0x0c;

/// Why the thread stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A system call (abi/01).
    Syscall,
    /// A mapping is missing or does not allow the access.
    Mapping,
    /// The FPU is off.
    FpuUnavailable,
    /// Anything else.
    Other,
}

impl Cause {
    pub(super) fn of(syndrome: u64) -> Self {
        match exception_class(syndrome) {
            class::SVC64 | class::SVC32 | class::HVC64 | class::HVC32 => Self::Syscall,
            class::INSTRUCTION_ABORT_LOWER | class::DATA_ABORT_LOWER
                if syndrome & STATUS_TYPE <= STATUS_PERMISSION =>
            {
                Self::Mapping
            }
            class::NO_FPU => Self::FpuUnavailable,
            _ => Self::Other,
        }
    }
}

/// Whether FAR_EL2 tells an address; otherwise it may tell one of another
/// thread.
pub(super) fn has_address(syndrome: u64) -> bool {
    matches!(
        exception_class(syndrome),
        class::INSTRUCTION_ABORT_LOWER | class::DATA_ABORT_LOWER | PC_ALIGNMENT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_calls_of_all_encodings_are_system_calls() {
        for syndrome in [0x5600_0000, 0x4600_0000, 0x5a00_0000, 0x4a00_0000] {
            assert_eq!(Cause::of(syndrome), Cause::Syscall, "{syndrome:#x}");
            assert!(!has_address(syndrome));
        }
        // From EL0 the CPU makes smc undefined; a trapped one is no call.
        assert_eq!(Cause::of(0x5e00_0000), Cause::Other);
    }

    #[test]
    fn aborts_that_a_pager_cannot_help_are_exceptions() {
        let data_abort = |status| Cause::of(class::DATA_ABORT_LOWER << 26 | status);
        for status in [0x04, 0x07, 0x09, 0x0b, 0x0d, 0x0f, 0x00] {
            assert_eq!(data_abort(status), Cause::Mapping, "{status:#x}");
        }
        for status in [0x10, 0x14, 0x21, 0x30, 0x35] {
            assert_eq!(data_abort(status), Cause::Other, "{status:#x}");
        }
        assert_eq!(
            Cause::of(class::INSTRUCTION_ABORT_LOWER << 26 | 0x0f),
            Cause::Mapping
        );
    }

    #[test]
    fn only_aborts_and_misaligned_jumps_tell_an_address() {
        assert!(has_address(0x93c1_8006));
        assert!(has_address(0x8a00_0000));
        assert!(!has_address(0xf200_0007));
        assert!(!has_address(0));
    }
}
