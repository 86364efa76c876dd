//! The privileged instructions that have no name in Rust, one function each.

use core::arch::asm;
use core::arch::x86_64::{__cpuid_count, CpuidResult};

/// Model-specific registers (SDM volume 4, APM appendix A).
pub(super) mod msr {
    pub(crate) const TSC: u32 = 0x10;
    pub(crate) const APIC_BASE: u32 = 0x1b;
    pub(crate) const TSC_ADJUST: u32 = 0x3b;
    pub(crate) const ARCH_CAPABILITIES: u32 = 0x10a;
    pub(crate) const SYSENTER_CS: u32 = 0x174;
    pub(crate) const PAT: u32 = 0x277;
    pub(crate) const TSC_DEADLINE: u32 = 0x6e0;
    pub(crate) const X2APIC: u32 = 0x800;
    pub(crate) const EFER: u32 = 0xc000_0080;
    pub(crate) const STAR: u32 = 0xc000_0081;
    pub(crate) const LSTAR: u32 = 0xc000_0082;
    pub(crate) const CSTAR: u32 = 0xc000_0083;
    pub(crate) const FMASK: u32 = 0xc000_0084;
    pub(crate) const FS_BASE: u32 = 0xc000_0100;
    pub(crate) const GS_BASE: u32 = 0xc000_0101;
    pub(crate) const KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub(crate) const VM_CONTROL: u32 = 0xc001_0114;
    pub(crate) const HOST_SAVE_AREA: u32 = 0xc001_0117;
}

/// # Safety
/// The register exists on this CPU.
#[inline]
pub(super) unsafe fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the register exists; reading has no effect on memory.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high,
            options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// # Safety
/// The register exists, and what the value does there is what the rest of
/// the kernel expects.
#[inline]
pub(super) unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: promised by the caller.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, preserves_flags));
    }
}

/// Reads a CPUID leaf; zeros for a leaf that the CPU does not have.
pub(super) fn cpuid(leaf: u32, sub_leaf: u32) -> CpuidResult {
    if leaf > __cpuid_count(leaf & 0x8000_0000, 0).eax {
        return CpuidResult {
            eax: 0,
            ebx: 0,
            ecx: 0,
            edx: 0,
        };
    }
    __cpuid_count(leaf, sub_leaf)
}

macro_rules! read_port {
    ($name:ident, $type:ty, $register:tt) => {
        /// # Safety
        /// The device behind the port belongs to the kernel.
        #[inline]
        pub(super) unsafe fn $name(port: u16) -> $type {
            let value;
            // SAFETY: promised by the caller.
            unsafe {
                asm!(concat!("in ", $register, ", dx"), in("dx") port, out($register) value,
                    options(nomem, nostack, preserves_flags));
            }
            value
        }
    };
}

macro_rules! write_port {
    ($name:ident, $type:ty, $register:tt) => {
        /// # Safety
        /// The device behind the port belongs to the kernel.
        #[inline]
        pub(super) unsafe fn $name(port: u16, value: $type) {
            // SAFETY: promised by the caller.
            unsafe {
                asm!(concat!("out dx, ", $register), in("dx") port, in($register) value,
                    options(nomem, nostack, preserves_flags));
            }
        }
    };
}

read_port!(read_port_8, u8, "al");
read_port!(read_port_16, u16, "ax");
read_port!(read_port_32, u32, "eax");
write_port!(write_port_8, u8, "al");
write_port!(write_port_16, u16, "ax");

macro_rules! control_register {
    ($read:ident, $write:ident, $register:tt) => {
        #[inline]
        pub(super) fn $read() -> u64 {
            let value;
            // SAFETY: reading it has no effect.
            unsafe {
                asm!(concat!("mov {}, ", $register), out(reg) value,
                    options(nomem, nostack, preserves_flags));
            }
            value
        }

        /// # Safety
        /// What the value turns on or off is what the rest of the kernel
        /// expects.
        #[inline]
        pub(super) unsafe fn $write(value: u64) {
            // SAFETY: promised by the caller.
            unsafe {
                asm!(concat!("mov ", $register, ", {}"), in(reg) value,
                    options(nostack, preserves_flags));
            }
        }
    };
}

control_register!(read_cr0, write_cr0, "cr0");
control_register!(read_cr3, write_cr3, "cr3");
control_register!(read_cr4, write_cr4, "cr4");

/// Clears CR0.TS: floating point instructions work.
#[inline]
pub(super) fn clear_task_switched() {
    // SAFETY: the flag only decides whether FPU instructions trap.
    unsafe { asm!("clts", options(nomem, nostack, preserves_flags)) };
}

/// Ticks of the time stamp counter.
#[inline]
pub(super) fn read_tsc() -> u64 {
    // SAFETY: every 64-bit CPU has it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The same, after all that comes before and before all that comes after.
pub(super) fn read_tsc_in_order() -> u64 {
    // SAFETY: orders, and changes no value.
    unsafe {
        core::arch::x86_64::_mm_mfence();
        core::arch::x86_64::_mm_lfence();
        let ticks = core::arch::x86_64::_rdtsc();
        core::arch::x86_64::_mm_lfence();
        ticks
    }
}

/// Stops this CPU for good.
pub(crate) fn halt() -> ! {
    loop {
        // SAFETY: nothing runs here any more.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}
