//! What the kernel debugger asks of the machine.

/// Registers by name, and their places in an exception message.
pub const REGISTERS: &[(&str, usize)] = &[("ip", 0), ("sp", 1)];

/// The place of the frame pointer in an exception message.
pub const FRAME_POINTER: usize = 2;

/// A word of physical memory: there is none that is a program's.
pub fn read_word(_physical: u64) -> Option<u64> {
    None
}
