//! VMMs that set up nonsense: random states of guests, for which the CPU may do anything but harm.

use l4_test::abi::arch::x86_64::vmx::field;
use l4_test::guest::{Guest as _, Random, run_wild};

use super::guest::{FLAGS, Guest, HALT, exit};

const ROUNDS: u64 = 300;

/// First field and number of fields of each kind that are the user's.
const FIELDS: [(u32, u64); 9] = [
    (0x800, 8),
    (0x2010, 1),
    (0x2800, 5),
    (0x2880, 7),
    (0x4000, 16),
    (0x4800, 24),
    (0x6000, 4),
    (0x6800, 20),
    (0x6880, 1),
];

pub(crate) fn wild_states_harm_nobody() {
    run_wild((ROUNDS, ROUNDS / 8), spoil, |_| (), (HALT, exit::HALT));
}

/// Changes some of what there is, from a good state or from the last one.
fn spoil(guest: Guest, random: &mut Random) {
    if random.below(3) != 0 {
        guest.reset();
    }
    for _ in 0..random.below(6) {
        let (first, count) = FIELDS[random.below(FIELDS.len() as u64) as usize];
        guest.set(first + 2 * random.below(count) as u32, random.word());
    }
    if random.below(4) == 0 {
        guest.set(field::ENTRY_EVENT, 1 << 31 | random.below(0x800));
    }
    spare_the_emulator(guest);
}

/// Bochs (2.7) does not interrupt guests that begin without the flag (`Guest::reset`), and gives up on events of kind
/// 7, which are no interrupts.
fn spare_the_emulator(guest: Guest) {
    let event = guest.get(field::ENTRY_EVENT);
    if event >> 8 & 7 == 7 {
        guest.set(field::ENTRY_EVENT, event ^ 1 << 8);
    }
    guest.set(field::GUEST_RFLAGS, guest.get(field::GUEST_RFLAGS) | FLAGS);
}
