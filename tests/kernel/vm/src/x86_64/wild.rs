//! VMMs that set up nonsense: random states of guests, for which the CPU may do anything but harm.

use l4_test::abi::arch::x86_64::vm::EFER_SVME;
use l4_test::guest::{Guest as _, Random, ask_for_wild, run_wild};

use super::guest::{Guest, HALT, at, exit};

const ROUNDS: u64 = 400;

pub(crate) fn wild_states_harm_nobody() {
    let (times, random) = ask_for_wild(0x1357_9bdf);
    let rounds = ROUNDS * times;
    run_wild(
        random,
        (rounds, rounds / 4),
        spoil,
        clear,
        (HALT, exit::HALT),
    );
}

/// Sets the whole block to zeros.
fn clear(guest: Guest) {
    for offset in (0..0x6a0).step_by(8) {
        guest.vmcb.set_word(offset, 0);
    }
}

/// Changes some of what there is, from a good state or from the last one.
fn spoil(guest: Guest, random: &mut Random) {
    if random.below(3) != 0 {
        guest.reset();
        for offset in (0..0x400).step_by(8) {
            guest.vmcb.set_word(offset, 0);
        }
        guest.vmcb.set_word(at::NESTED_PAGING, 1);
    }
    for _ in 0..random.below(12) {
        let offset = match random.below(3) {
            0 => random.below(0x100 / 8),
            1 => 0x400 / 8 + random.below(0xa0 / 8),
            _ => 0x4a0 / 8 + random.below(0x200 / 8),
        };
        guest.vmcb.set_word(offset as usize * 8, random.word());
    }
    if random.below(8) != 0 {
        let efer = guest.vmcb.word(at::EFER);
        guest.vmcb.set_word(at::EFER, efer | EFER_SVME);
        guest.vmcb.set_word(at::NESTED_PAGING, 1);
    }
    spare_the_emulator(guest);
}

/// QEMU's emulator (7.2) does not find the way back to its host from a guest with EFER.LME, but
/// neither CR4.PAE nor CR0.PG: it restores CR0 first, and refuses to turn paging on.
fn spare_the_emulator(guest: Guest) {
    const LONG_MODE: u64 = 1 << 8;
    const PHYSICAL_ADDRESS_EXTENSION: u64 = 1 << 5;
    const CR4_WRITE: u64 = 1 << 20;
    let efer = guest.vmcb.word(at::EFER);
    if efer & LONG_MODE != 0 {
        let cr4 = guest.vmcb.word(at::CR4);
        guest
            .vmcb
            .set_word(at::CR4, cr4 | PHYSICAL_ADDRESS_EXTENSION);
        let intercepts = guest.vmcb.word(0);
        guest.vmcb.set_word(0, intercepts | CR4_WRITE);
    }
}
