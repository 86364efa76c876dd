//! x86_64: `syscall`, UTCB address at `gs:0`, thread pointer in the FS base (`abi/01`, `abi/02`).

use core::arch::asm;

#[cfg(feature = "random")]
pub mod random;
mod root_start;
mod segment;
pub(crate) mod vcpu;
pub mod vmcb;
#[cfg(feature = "vmx")]
pub mod vmcs;

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
    // SAFETY: the clobbers are those of `abi/01`; memory is clobbered by default, so accesses to
    // the UTCB stay on their side of the instruction.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") tag => tag_out,
            inlateout("rdx") destination => _,
            inlateout("rsi") label => label_out,
            in("r8") timeouts,
            lateout("rdi") _,
            lateout("rcx") _,
            lateout("r11") _,
            lateout("r15") _,
            options(nostack),
        );
    }
    (tag_out, label_out)
}

/// Address of the calling thread's UTCB.
#[inline(always)]
pub(crate) fn utcb_address() -> usize {
    let address;
    // SAFETY: the kernel points the GS base at the word that holds the UTCB's own address; the
    // value is fixed for the life of the thread.
    unsafe {
        asm!("mov {}, gs:0", out(reg) address, options(pure, nomem, nostack, preserves_flags));
    }
    address
}

/// The word at the thread pointer, which the runtime makes the address of its per-thread block.
///
/// # Safety
/// The thread pointer must have been set to the address of a word that holds that address.
#[inline(always)]
pub unsafe fn thread_pointer() -> usize {
    let address;
    // SAFETY: by the caller's contract the word exists; user mode may not read the FS base itself.
    unsafe {
        asm!("mov {}, fs:0", out(reg) address, options(pure, readonly, nostack, preserves_flags));
    }
    address
}

/// Makes `address` the calling thread's thread pointer.
///
/// User mode cannot write the FS base, so this is a system call.
pub fn set_thread_pointer(address: usize) -> crate::Result<()> {
    crate::object::Thread::SELF.set_fs_base(address as u64)
}
