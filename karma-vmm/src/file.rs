//! A file that a guest boots from, and its way into the guest's memory.

use l4_memory::{Inaccessible, Memory};

/// Bytes that are copied at once.
const PIECE: usize = 4096;

/// A file.
pub struct File<'a, S> {
    /// Its bytes.
    pub content: &'a S,
    /// How many.
    pub size: u64,
}

impl<S: Memory> File<'_, S> {
    /// Copies what is behind its first `from` bytes to address `to`.
    pub fn copy(&self, from: u64, memory: &impl Memory, to: u64) -> Result<(), Inaccessible> {
        let mut piece = [0; PIECE];
        let mut done = from;
        while done < self.size {
            let count = (self.size - done).min(PIECE as u64) as usize;
            self.content.read(done, &mut piece[..count])?;
            memory.write(to + (done - from), &piece[..count])?;
            done += count as u64;
        }
        Ok(())
    }
}
