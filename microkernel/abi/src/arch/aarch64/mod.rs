//! aarch64: the system call and the layout of the kernel info page.
//!
//! The system call is `svc #0`, from EL1 `hvc #0`. Registers (`abi/01`):
//!
//! | Register | In | Out |
//! |---|---|---|
//! | x0 | message tag | message tag |
//! | x1 | send label | received label |
//! | x2 | destination | preserved |
//! | x3 | timeouts (low 32 bit) | preserved |
//! | x4 | UTCB, ignored | preserved |
//!
//! The user finds its UTCB in `TPIDRRO_EL0`, `TPIDR_EL0` is for thread-local storage.

pub mod exception;
pub mod fault;
pub mod vcpu;
pub mod vm;

use crate::kip::Header;
pub use exception::ExceptionFrame;
pub use vcpu::VcpuState;

/// Last usable user address of a kernel at EL2, where addresses are intermediate physical ones.
pub const fn user_address_last(ipa_bits: u32) -> u64 {
    (1 << ipa_bits) - 1
}

/// UTCB of the first thread of sigma0 and of the root task.
pub const fn initial_utcb(user_address_last: u64) -> u64 {
    user_address_last + 1 - 0x1_0000
}

/// Header of the kernel info page.
pub type KipHeader = Header<23>;
/// Byte offset of the memory descriptors.
pub const KIP_MEMORY_DESCRIPTORS_OFFSET: usize = 0xe0;
/// Byte offset of the version string.
pub const KIP_STRINGS_OFFSET: usize = 0x4e0;
/// Where the strings must end.
pub const KIP_STRINGS_END: usize = crate::kip::SYSCALL_CODE_OFFSET;
/// Byte offset of the scaler: µs = ticks × scaler >> (32 − shift), with the shift word below.
pub const KIP_CLOCK_MICROS_SCALER_OFFSET: usize = 0x970;
/// Byte offset of the scaler for nanoseconds.
pub const KIP_CLOCK_NANOS_SCALER_OFFSET: usize = 0x9f0;
/// The system call code in the page: `svc #0`, `ret`.
pub const KIP_SYSCALL_CODE: [u32; 2] = [0xd400_0001, 0xd65f_03c0];
