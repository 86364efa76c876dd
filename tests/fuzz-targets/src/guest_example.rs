//! What a guest does that uses its machine as drivers do.

/// Bytes of one thing that a guest does: which, the size, a place, and a value.
pub(crate) const STEP_BYTES: usize = 12;

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
        port(0xcf8, 2, 0x8000_0800),
        port(0xcfc, 2, 1),
        port(window + 20, 0, 3),
        port(window + 8, 2, 1),
        port(window + 12, 2, 1),
        port(window + 20, 0, 11),
        port(window + 22, 1, 1),
        port(window + 24, 1, 8),
        port(window + 32, 2, DESCRIPTORS),
        port(window + 40, 2, AVAILABLE),
        port(window + 48, 2, USED),
        port(window + 28, 1, 1),
        memory(DESCRIPTORS, 1, TEXT),
        memory(DESCRIPTORS + 8, 1, 5),
        memory(AVAILABLE + 2, 1, 1),
        port(window + 20, 0, 15),
        port(window + 60, 1, 1),
        (9, 0, 0, 1 << 32),
        (3, 0, 0, 0x4b56_4d01 | 0x201 << 32),
        (4, 0, 0x0f, 0x1ff),
        (5, 0, 0x31, 0),
    ];
    let bytes = steps.map(|(kind, size, place, value)| {
        let mut step = [0; STEP_BYTES];
        step[..2].copy_from_slice(&[kind, size]);
        step[2..4].copy_from_slice(&place.to_le_bytes());
        step[4..].copy_from_slice(&value.to_le_bytes());
        step
    });
    bytes.concat()
}
