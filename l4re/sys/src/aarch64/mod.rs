//! aarch64: `svc`, UTCB address in TPIDRRO_EL0, thread pointer in TPIDR_EL0
//! (`abi/01`, `abi/02`).

use core::arch::asm;

pub mod guest;
#[cfg(feature = "random")]
pub mod random;
mod root_start;
pub(crate) mod vcpu;

/// Enters the kernel once and returns the tag and label registers.
///
/// # Safety
/// The message in the UTCB and the registers decide what the kernel does to this task.
#[inline(always)]
pub(crate) unsafe fn system_call(
    tag: u64,
    destination: u64,
    label: u64,
    timeouts: u64,
) -> (u64, u64) {
    let (tag_out, label_out);
    // SAFETY: the kernel keeps all other registers (`abi/01`); memory is clobbered by default, so
    // accesses to the UTCB stay on their side of the instruction.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") tag => tag_out,
            inlateout("x1") label => label_out,
            inlateout("x2") destination => _,
            inlateout("x3") timeouts => _,
            lateout("x4") _,
            options(nostack),
        );
    }
    (tag_out, label_out)
}

/// Address of the calling thread's UTCB.
#[inline(always)]
pub(crate) fn utcb_address() -> usize {
    let address;
    // SAFETY: the register is readable at EL0 and fixed for the life of the thread.
    unsafe {
        asm!("mrs {}, tpidrro_el0", out(reg) address, options(pure, nomem, nostack, preserves_flags));
    }
    address
}

/// The thread pointer, which the runtime makes the address of its per-thread block.
///
/// # Safety
/// None is needed here; the contract is that of architectures that must read memory for it.
#[inline(always)]
pub unsafe fn thread_pointer() -> usize {
    let address;
    // SAFETY: the register belongs to user mode.
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) address, options(nomem, nostack, preserves_flags));
    }
    address
}

/// Makes `address` the calling thread's thread pointer.
pub fn set_thread_pointer(address: usize) -> crate::Result<()> {
    // SAFETY: the register belongs to user mode; nothing but the runtime uses it.
    unsafe {
        asm!("msr tpidr_el0, {}", in(reg) address, options(nomem, nostack, preserves_flags));
    }
    Ok(())
}
