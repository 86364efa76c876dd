//! What the kernel debugger asks of the machine.

use super::timer::Timer;

/// Registers by name, and their places in an exception message.
pub const REGISTERS: &[(&str, usize)] = &[("ip", 0), ("sp", 1)];

/// The place of the frame pointer in an exception message.
pub const FRAME_POINTER: usize = 2;

/// A word of physical memory: there is none that is a program's.
pub fn read_word(_physical: u64) -> Option<u64> {
    None
}

/// The clock's ticks: it stands still here.
pub fn ticks() -> u64 {
    0
}

/// How many of them are a second.
pub fn ticks_per_second(_timer: &Timer) -> u64 {
    1_000_000
}
