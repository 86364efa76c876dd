//! Bytes as steps that somebody does.

/// Bytes of one: which, a size, a place, and a value.
const STEP_BYTES: usize = 12;

/// One thing that somebody does: which, with its operands.
pub(crate) struct Step {
    pub(crate) kind: u8,
    /// At most 8.
    pub(crate) size: u8,
    pub(crate) place: u16,
    pub(crate) value: u64,
}

/// What the bytes say.
pub(crate) fn of(bytes: &[u8]) -> impl Iterator<Item = Step> {
    bytes.chunks_exact(STEP_BYTES).map(|step| Step {
        kind: step[0],
        size: step[1] % 9,
        place: u16::from_le_bytes([step[2], step[3]]),
        value: u64::from_le_bytes(core::array::from_fn(|index| step[4 + index])),
    })
}

/// Steps as bytes: which, the size, the place, and the value of each.
pub(crate) fn bytes(steps: &[(u8, u8, u16, u64)]) -> Vec<u8> {
    let bytes = steps.iter().map(|(kind, size, place, value)| {
        let mut step = [0; STEP_BYTES];
        step[..2].copy_from_slice(&[*kind, *size]);
        step[2..4].copy_from_slice(&place.to_le_bytes());
        step[4..].copy_from_slice(&value.to_le_bytes());
        step
    });
    bytes.collect::<Vec<_>>().concat()
}

/// So many steps of no sense, always the same for a seed.
#[cfg(test)]
pub(crate) fn random(seed: u64, count: usize) -> Vec<u8> {
    let mut random = seed;
    let bytes = (0..STEP_BYTES * count).map(|_| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 56) as u8
    });
    bytes.collect()
}
