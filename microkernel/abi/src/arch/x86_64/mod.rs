//! x86_64: the system call and the layout of the kernel info page.
//!
//! The system call is `syscall`. Registers (`abi/01`):
//!
//! | Register | In | Out |
//! |---|---|---|
//! | rax | message tag | message tag |
//! | rdx | destination | preserved |
//! | rsi | send label | received label |
//! | r8 | timeouts (low 32 bit) | preserved |
//! | rcx, r11 | | destroyed by the instruction |
//! | r15 | | cleared or preserved |
//!
//! The user finds its UTCB by the word at `gs:0`, FS is for thread-local storage.

pub mod exception;
pub mod fault;
pub mod segment;
pub mod vcpu;
pub mod vm;
#[cfg(any(test, feature = "vmx"))]
pub mod vmx;

use crate::kip::Header;
pub use exception::ExceptionFrame;
pub use vcpu::VcpuState;

/// Last usable user address.
pub const USER_ADDRESS_LAST: u64 = 0x0000_7fff_ffff_ffff;
/// First address that is not canonical.
pub const NON_CANONICAL_START: u64 = 0x0000_8000_0000_0000;
/// Last address that is not canonical.
pub const NON_CANONICAL_LAST: u64 = 0xffff_7fff_ffff_ffff;
/// UTCB of the first thread of sigma0 and of the root task.
pub const INITIAL_UTCB: u64 = 0x0000_007f_ff00_0000;

/// Header of the kernel info page.
pub type KipHeader = Header<3>;
/// Byte offset of the memory descriptors.
pub const KIP_MEMORY_DESCRIPTORS_OFFSET: usize = 0x90;
/// Byte offset of the version string.
pub const KIP_STRINGS_OFFSET: usize = 0x490;
/// Where the strings must end.
pub const KIP_STRINGS_END: usize = crate::kip::CLOCK_MICROS_CODE_OFFSET;
/// Byte offset of the scaler: µs = ticks × scaler >> [`CLOCK_MICROS_SHIFT`].
pub const KIP_CLOCK_MICROS_SCALER_OFFSET: usize = 0x9f0;
/// Byte offset of the scaler: ns = ticks × scaler >> [`CLOCK_NANOS_SHIFT`].
pub const KIP_CLOCK_NANOS_SCALER_OFFSET: usize = 0x9f8;
/// Shift after the multiplication with the µs scaler.
pub const CLOCK_MICROS_SHIFT: u32 = 32;
/// Shift after the multiplication with the ns scaler.
pub const CLOCK_NANOS_SHIFT: u32 = 27;
