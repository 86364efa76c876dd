//! A source of random bytes (§5.4).

use super::{Device, Queue};
use l4_virtio::QueueError;
use l4_virtio::memory::Memory;

const KIND: u16 = 4;
/// Bytes that one request gets at most; the guest asks again.
const PIECE: usize = 64;

/// The device; `S` fills buffers, and says whether it could.
pub struct Entropy<S> {
    source: S,
}

impl<S: FnMut(&mut [u8]) -> bool> Entropy<S> {
    /// One that takes from `source`.
    pub fn new(source: S) -> Self {
        Self { source }
    }
}

impl<M: Memory, S: FnMut(&mut [u8]) -> bool> Device<M> for Entropy<S> {
    fn kind(&self) -> u16 {
        KIND
    }

    fn queues(&self) -> usize {
        1
    }

    fn serve(
        &mut self,
        queues: &mut [Queue],
        _: Option<usize>,
        memory: &M,
    ) -> Result<bool, QueueError> {
        let Some(queue) = queues[0].ready() else {
            return Ok(false);
        };
        let mut done = false;
        for _ in 0..queue.layout().size() {
            let Some(chain) = queue.take(memory)? else {
                break;
            };
            let mut bytes = [0; PIECE];
            // Without bytes it gets none, and knows that.
            let written = match (self.source)(&mut bytes) {
                true => chain.write(memory, 0, &bytes)?,
                false => 0,
            };
            queue.complete(memory, chain, written as u32)?;
            done = true;
        }
        Ok(done && queue.wants_notification(memory)?)
    }
}
