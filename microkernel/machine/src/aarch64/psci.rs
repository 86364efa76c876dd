//! Power control by firmware (PSCI, DEN 0022).

use core::arch::asm;

/// Function ids.
const SYSTEM_OFF: u32 = 0x8400_0008;
const SYSTEM_RESET: u32 = 0x8400_0009;

/// Turns the machine off. Returns if firmware does not.
pub(super) fn system_off() {
    call(SYSTEM_OFF);
}

/// Resets the machine. Returns if firmware does not.
pub(super) fn system_reset() {
    call(SYSTEM_RESET);
}

/// A call without arguments. By `smc`: `hvc` from EL2 would come back here,
/// so firmware cannot ask for it.
fn call(function: u32) -> i64 {
    let result;
    // SAFETY: the functions above change nothing that a kernel that goes on
    // could notice. The call keeps x4 to x29 (SMCCC 1.0).
    unsafe {
        asm!("smc #0", inout("x0") u64::from(function) => result,
            out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x5") _, out("x6") _,
            out("x7") _, out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _,
            out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _,
            options(nostack));
    }
    result
}
