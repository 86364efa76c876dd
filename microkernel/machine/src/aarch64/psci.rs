//! Power control by firmware (PSCI, DEN 0022).

use core::arch::asm;

/// Function ids.
const SYSTEM_OFF: u32 = 0x8400_0008;
const SYSTEM_RESET: u32 = 0x8400_0009;
const CPU_ON: u32 = 0xc400_0003;

/// Turns the machine off. Returns if firmware does not.
pub(super) fn system_off() {
    // SAFETY: nothing runs any more.
    unsafe { call(SYSTEM_OFF, [0; 3]) };
}

/// Resets the machine. Returns if firmware does not.
pub(super) fn system_reset() {
    // SAFETY: likewise.
    unsafe { call(SYSTEM_RESET, [0; 3]) };
}

/// Lets the CPU with this hardware id begin at the physical address `entry`.
/// False if firmware refuses.
///
/// # Safety
/// The code there suits a CPU as it comes from reset.
pub(super) unsafe fn cpu_on(hardware_id: u64, entry: u64) -> bool {
    // SAFETY: promised by the caller.
    unsafe { call(CPU_ON, [hardware_id, entry, 0]) == 0 }
}

/// A call. By `smc`: `hvc` from EL2 would come back here, so firmware cannot
/// ask for it.
///
/// # Safety
/// What the function does suits the kernel.
unsafe fn call(function: u32, arguments: [u64; 3]) -> i64 {
    let [first, second, third] = arguments;
    let result;
    // SAFETY: promised by the caller. The call keeps x18 to x29 (SMCCC 1.0).
    unsafe {
        asm!("smc #0", inout("x0") u64::from(function) => result,
            inout("x1") first => _, inout("x2") second => _, inout("x3") third => _, out("x4") _, out("x5") _, out("x6") _,
            out("x7") _, out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _,
            out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _,
            options(nostack));
    }
    result
}
