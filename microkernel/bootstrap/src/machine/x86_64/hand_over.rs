//! The state in which the kernel starts (`abi/07` §1): 64-bit mode on our identity mapping,
//! interrupts off.

use core::{arch::asm, ops::Range};

use bootstrap::Error;

/// The entry code has made the mode.
pub(crate) fn check_mode() -> Result<(), Error> {
    Ok(())
}

/// Caches are coherent.
pub(crate) fn publish(_: Range<u64>) {}

/// Calls the kernel, with no arguments.
pub(crate) fn enter_kernel(entry: u64) -> ! {
    // SAFETY: the kernel never returns, and takes over the machine from here. OSFXSR (CR4 bit 9) is
    // for it to set.
    unsafe {
        asm!(
            "mov {scratch}, cr4",
            "and {scratch}, ~(1 << 9)",
            "mov cr4, {scratch}",
            "call {entry}",
            "ud2",
            scratch = in(reg) 0u64,
            entry = in(reg) entry,
            options(noreturn)
        )
    }
}

/// Halts for good.
pub(crate) fn stop() -> ! {
    loop {
        // SAFETY: with interrupts off, nothing happens any more.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) }
    }
}
