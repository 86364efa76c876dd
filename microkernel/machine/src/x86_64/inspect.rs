//! What the kernel debugger asks of the machine.

use super::instructions::read_tsc;
use super::paging::entry;
use super::timer::Timer;
use super::window;

/// Registers by name, and their places in an exception message (abi/02).
pub const REGISTERS: &[(&str, usize)] = &[
    ("rax", 15),
    ("rbx", 12),
    ("rcx", 14),
    ("rdx", 13),
    ("rsi", 9),
    ("rdi", 8),
    ("rbp", 10),
    ("rsp", 21),
    ("r8", 7),
    ("r9", 6),
    ("r10", 5),
    ("r11", 4),
    ("r12", 3),
    ("r13", 2),
    ("r14", 1),
    ("r15", 0),
    ("rip", 18),
    ("rflags", 20),
    ("cs", 19),
    ("ss", 22),
    ("trap", 16),
    ("error", 17),
    ("cr2", 11),
    ("fs_base", 23),
];

/// The place of the frame pointer in an exception message.
pub const FRAME_POINTER: usize = 10;

/// The word at a physical address, which is RAM and a multiple of eight.
/// While all other CPUs stand still.
pub fn read_word(physical: u64) -> Option<u64> {
    if !physical.is_multiple_of(8) {
        return None;
    }
    let (first, (start, mapped)) = window::begin(physical, 8, entry::CONSTANTS);
    // SAFETY: mapped, readable and aligned; anybody may be writing to it.
    let word = (mapped == 8).then(|| unsafe { start.cast::<u64>().read_volatile() });
    window::end(first);
    word
}

/// The clock's ticks: as fine as there is.
pub fn ticks() -> u64 {
    read_tsc()
}

/// How many of them are a second.
pub fn ticks_per_second(timer: &Timer) -> u64 {
    timer.frequency
}
