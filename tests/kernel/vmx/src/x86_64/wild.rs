//! VMMs that set up nonsense: random states of guests, for which the CPU may do anything but harm.

use l4_test::abi::arch::x86_64::vmx::field;
use l4_test::guest::{CODE, DATA, Guest as _, Random, run_wild};

use super::guest::{FLAGS, Guest, exit};

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

/// `hlt`, and behind the code page tables from [`ROOT`] on that have one page of 1 GiB at 0.
const MEMORY: &[u8] = &{
    let mut memory = [0; (ROOT - CODE) as usize + 8];
    memory[0] = 0xf4;
    // DATA, which has the page.
    memory[(ROOT - CODE) as usize] = 3;
    memory[(ROOT - CODE) as usize + 1] = (DATA >> 8) as u8;
    memory[(DATA - CODE) as usize] = 0x83;
    memory
};
const ROOT: u64 = 0x3000;

pub(crate) fn wild_states_harm_nobody() {
    let random = Random(0x1357_9bdf);
    let counts = (ROUNDS, ROUNDS / 20);
    run_wild(random, counts, spoil, |_| (), (MEMORY, exit::HALT));
}

/// Changes some of what there is, from a good state in real or 64-bit mode or from the last one.
fn spoil(guest: Guest, random: &mut Random) {
    match random.below(4) {
        0 => {}
        1 => {
            guest.reset();
            guest.enter_long_mode(ROOT);
        }
        _ => guest.reset(),
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
pub(crate) fn spare_the_emulator(guest: Guest) {
    let event = guest.get(field::ENTRY_EVENT);
    if event >> 8 & 7 == 7 {
        guest.set(field::ENTRY_EVENT, event ^ 1 << 8);
    }
    guest.set(field::GUEST_RFLAGS, guest.get(field::GUEST_RFLAGS) | FLAGS);
}
