//! What a guest does that uses its machine as drivers do.

use crate::steps;

/// A guest that sets up the first device of a PC as drivers do, and prints something, for the fuzzer to begin with.
pub fn example_guest() -> Vec<u8> {
    const DESCRIPTORS: u64 = 0x1000;
    const AVAILABLE: u64 = 0x2000;
    const USED: u64 = 0x3000;
    const TEXT: u64 = 0x100;
    let port = |port: u16, size: u8, value: u64| (0, size, port, value);
    let memory = |place: u64, size: u8, value: u64| (8, size, place as u16, value);
    let window = 0xc000;
    let steps: [(u8, u8, u16, u64); 21] = [
        port(0xcf8, 4, 0x8000_0800),
        port(0xcfc, 4, 1),
        port(window + 20, 1, 3),
        port(window + 8, 4, 1),
        port(window + 12, 4, 1),
        port(window + 20, 1, 11),
        port(window + 22, 2, 1),
        port(window + 24, 2, 8),
        port(window + 32, 4, DESCRIPTORS),
        port(window + 40, 4, AVAILABLE),
        port(window + 48, 4, USED),
        port(window + 28, 2, 1),
        memory(DESCRIPTORS, 2, TEXT),
        memory(DESCRIPTORS + 8, 2, 5),
        memory(AVAILABLE + 2, 2, 1),
        port(window + 20, 1, 15),
        port(window + 60, 2, 1),
        (9, 0, 0, 1 << 32),
        (3, 0, 0, 0x4b56_4d01 | 0x201 << 32),
        (4, 0, 0x0f, 0x1ff),
        (5, 0, 0x31, 0),
    ];
    steps::bytes(&steps)
}
