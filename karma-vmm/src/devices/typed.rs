//! What a person typed, until the guest takes it.

use alloc::collections::VecDeque;

/// Up to `N` bytes.
#[derive(Debug, Default)]
pub struct Typed<const N: usize>(VecDeque<u8>);

impl<const N: usize> Typed<N> {
    /// One more comes; whether there was room.
    pub fn push(&mut self, byte: u8) -> bool {
        let has_room = self.room() > 0;
        if has_room {
            self.0.push_back(byte);
        }
        has_room
    }

    /// The next one, which stays.
    pub fn first(&self) -> Option<u8> {
        self.0.front().copied()
    }

    /// Takes the next one.
    pub fn take(&mut self) -> Option<u8> {
        self.0.pop_front()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many more have room.
    pub fn room(&self) -> usize {
        N - self.0.len()
    }
}
