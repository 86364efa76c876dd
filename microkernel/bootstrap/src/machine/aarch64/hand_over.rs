//! The state in which the kernel starts (`abi/07` §1): EL2, MMU off, all interrupts masked.

use core::{arch::asm, ops::Range};

use bootstrap::Error;

/// The kernel needs EL2 and nothing can bring us there from below.
pub(crate) fn check_mode() -> Result<(), Error> {
    let level: u64;
    // SAFETY: reads a register without side effects.
    unsafe { asm!("mrs {}, CurrentEL", out(reg) level, options(nomem, nostack, preserves_flags)) }
    match level >> 2 & 3 {
        2 => Ok(()),
        1 => Err(Error::Mode(
            "started at EL1, the kernel needs EL2 (QEMU: -machine virt,virtualization=on)",
        )),
        _ => Err(Error::Mode("started at EL3, the kernel needs EL2")),
    }
}

/// Makes memory that was written with the caches off what the kernel sees with them on: stale lines
/// go.
pub(crate) fn publish(range: Range<u64>) {
    let type_register: u64;
    // SAFETY: reads a register without side effects.
    unsafe {
        asm!("mrs {}, ctr_el0", out(reg) type_register, options(nomem, nostack, preserves_flags))
    }
    let line = 4u64 << (type_register >> 16 & 0xf);
    for address in (range.start / line * line..range.end).step_by(line as usize) {
        // SAFETY: all of the range was written past the cache, so that its lines hold nothing that
        // is still needed; what shares its first and last line is free memory.
        unsafe { asm!("dc ivac, {}", in(reg) address, options(nostack, preserves_flags)) }
    }
    // SAFETY: completes the above.
    unsafe {
        asm!(
            "dsb sy",
            "ic iallu",
            "dsb sy",
            "isb",
            options(nostack, preserves_flags)
        )
    }
}

/// Calls the kernel, with no arguments.
pub(crate) fn enter_kernel(entry: u64) -> ! {
    // SAFETY: the kernel never returns, and takes over the machine from here.
    unsafe { asm!("blr {}", "brk #0", in(reg) entry, options(noreturn)) }
}

/// Sleeps for good.
pub(crate) fn stop() -> ! {
    loop {
        // SAFETY: with interrupts masked, nothing happens any more.
        unsafe { asm!("wfi", options(nomem, nostack)) }
    }
}
