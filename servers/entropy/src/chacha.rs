//! The block function of ChaCha20 (RFC 8439 §2.3).

/// Words of a key.
pub const KEY: usize = 8;
/// Words of a block.
pub const BLOCK: usize = 16;

const ROUNDS: usize = 20;
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// The block with this key, counter and nonce.
pub fn block(key: &[u32; KEY], counter: u32, nonce: [u32; 3]) -> [u32; BLOCK] {
    let mut start = [0; BLOCK];
    start[..4].copy_from_slice(&CONSTANTS);
    start[4..12].copy_from_slice(key);
    start[12] = counter;
    start[13..].copy_from_slice(&nonce);
    let mut state = start;
    for _ in 0..ROUNDS / 2 {
        for column in 0..4 {
            quarter(&mut state, [column, 4 + column, 8 + column, 12 + column]);
        }
        for diagonal in 0..4 {
            let turned = |row: usize| 4 * row + (diagonal + row) % 4;
            quarter(&mut state, [turned(0), turned(1), turned(2), turned(3)]);
        }
    }
    for (word, first) in state.iter_mut().zip(start) {
        *word = word.wrapping_add(first);
    }
    state
}

fn quarter(state: &mut [u32; BLOCK], [a, b, c, d]: [usize; 4]) {
    for (turn_d, turn_b) in [(16, 12), (8, 7)] {
        state[a] = state[a].wrapping_add(state[b]);
        state[d] = (state[d] ^ state[a]).rotate_left(turn_d);
        state[c] = state[c].wrapping_add(state[d]);
        state[b] = (state[b] ^ state[c]).rotate_left(turn_b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 §2.3.2.
    #[test]
    fn the_block_is_that_of_the_standard() {
        let key = core::array::from_fn(|word| {
            let first = 4 * word as u8;
            u32::from_le_bytes([first, first + 1, first + 2, first + 3])
        });
        let expected = [
            0xe4e7_f110,
            0x1559_3bd1,
            0x1fdd_0f50,
            0xc471_20a3,
            0xc7f4_d1c7,
            0x0368_c033,
            0x9aaa_2204,
            0x4e6c_d4c3,
            0x4664_82d2,
            0x09aa_9f07,
            0x05d7_c214,
            0xa202_8bd9,
            0xd19c_12b5,
            0xb94e_16de,
            0xe883_d0cb,
            0x4e3c_50a2,
        ];
        assert_eq!(block(&key, 1, [0x0900_0000, 0x4a00_0000, 0]), expected);
    }
}
