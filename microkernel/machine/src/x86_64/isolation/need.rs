//! Whether the kernel has to isolate itself.

use l4_abi::boot::options::Flags;

use super::super::boot;
use super::super::instructions::{cpuid, msr, read_msr};

/// Whether the CPU needs it or the command line wants it, and that does not forbid it.
#[inline(always)]
pub(super) fn is_wanted() -> bool {
    let flags = Flags::from_bits_retain(boot::options().flags);
    let is_wanted = flags.contains(Flags::ISOLATE) || is_needed();
    is_wanted && !flags.contains(Flags::NO_ISOLATION)
}

/// Whether the CPU has the flaw: Intel's do that do not deny it
/// (IA32_ARCH_CAPABILITIES.RDCL_NO), AMD's do not.
fn is_needed() -> bool {
    const HAS_CAPABILITIES: u32 = 1 << 29;
    const RDCL_NO: u64 = 1 << 0;
    let vendor = cpuid(0, 0).ecx.to_le_bytes();
    if matches!(&vendor, b"cAMD" | b"uine") {
        return false;
    }
    // SAFETY: the CPU has the register if it says so.
    cpuid(7, 0).edx & HAS_CAPABILITIES == 0
        || unsafe { read_msr(msr::ARCH_CAPABILITIES) } & RDCL_NO == 0
}
