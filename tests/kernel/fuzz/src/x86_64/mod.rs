//! Instructions that fault, and guests of virtual machines.

use core::arch::asm;

use fuzz::layout::MEMORY;
use l4_test::abi::arch::x86_64::vm::EFER_SVME;
use l4_test::memory::store;

use crate::attacker::guest_word;

/// Words of the VMCB, by their offsets (AMD APM volume 2, appendix B).
mod at {
    pub(super) const NESTED_PAGING: usize = 0x90 / 8;
    pub(super) const SEGMENTS: usize = 0x400 / 8;
    pub(super) const EFER: usize = 0x4d0 / 8;
    pub(super) const CR4: usize = 0x548 / 8;
    pub(super) const CR0: usize = 0x558 / 8;
    pub(super) const DR7: usize = 0x560 / 8;
    pub(super) const DR6: usize = 0x568 / 8;
    pub(super) const FLAGS: usize = 0x570 / 8;
    pub(super) const IP: usize = 0x578 / 8;
}

/// Of so many guests one runs. Now and then QEMU's emulator (7.2) forgets that a timer's interrupt waits if it comes in the
/// moment of a guest's exit.
pub(crate) const GUESTS: u64 = 8;

/// What stays as [`prepare_guest`] has it: QEMU's emulator (7.2) does not survive every guest with EFER.LME.
pub(crate) const FIXED_WORDS: [usize; 1] = [at::EFER];

/// Real mode in a machine whose memory is where the attackers have theirs. Its data are not where its code is: of code that
/// writes to itself the emulator executes few instructions a second.
pub(crate) fn prepare_guest(state: u64) {
    let set = |word, value| store(guest_word(state, word), value);
    set(at::NESTED_PAGING, 1);
    for segment in 0..10 {
        let (attributes, base) = match segment {
            1 => (0x9b, MEMORY),
            7 => (0x82, 0),
            9 => (0x8b, 0),
            _ => (0x93, MEMORY + 0x1_0000),
        };
        set(at::SEGMENTS + segment * 2, attributes << 16 | 0xffff << 32);
        set(at::SEGMENTS + segment * 2 + 1, base);
    }
    for (word, value) in [
        (at::EFER, EFER_SVME),
        (at::CR0, 0x10),
        (at::CR4, 0),
        (at::DR6, 0xffff_0ff0),
        (at::DR7, 0x400),
        (at::FLAGS, 2),
        (at::IP, 0),
    ] {
        set(word, value);
    }
}

/// Uses the FPU.
pub(crate) fn use_fpu() {
    // SAFETY: the program has no other use for the register.
    unsafe { asm!("movq xmm0, rax", options(nomem, nostack, preserves_flags)) }
}

/// Executes what the CPU does not know.
pub(crate) fn undefined_instruction() {
    // SAFETY: it is an exception, after which the thread starts afresh.
    unsafe { asm!("ud2", options(nomem, nostack)) }
}
