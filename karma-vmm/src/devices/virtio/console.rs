//! A console with one port (§5.3): what the guest prints goes out, what a person types comes in.

use super::{Device, Queue};
use crate::devices::typed::Typed;
use l4_memory::Memory;
use l4_virtio::QueueError;

const KIND: u16 = 3;
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
/// Bytes that can wait for the guest.
const TYPED: usize = 256;
/// Bytes that go out at once.
const PIECE: usize = 128;

/// The console; `O` takes what is printed.
pub struct Console<O> {
    output: O,
    typed: Typed<TYPED>,
}

impl<O: FnMut(&[u8])> Console<O> {
    /// One on which nothing is typed yet.
    pub fn new(output: O) -> Self {
        Self {
            output,
            typed: Typed::default(),
        }
    }

    fn transmit<M: Memory>(&mut self, queue: &mut Queue, memory: &M) -> Result<bool, QueueError> {
        let Some(queue) = queue.ready() else {
            return Ok(false);
        };
        let mut done = false;
        // A guest that goes on to print while this runs is served at its next notification.
        for _ in 0..queue.layout().size() {
            let Some(chain) = queue.take(memory)? else {
                break;
            };
            let mut piece = [0; PIECE];
            let mut offset = 0;
            while let read @ 1.. = chain.read(memory, offset, &mut piece)? {
                (self.output)(&piece[..read]);
                offset += read as u64;
            }
            queue.complete(memory, chain, 0)?;
            done = true;
        }
        Ok(done && queue.wants_notification(memory)?)
    }

    fn receive<M: Memory>(&mut self, queue: &mut Queue, memory: &M) -> Result<bool, QueueError> {
        let Some(queue) = queue.ready() else {
            return Ok(false);
        };
        let mut done = false;
        while !self.typed.is_empty() {
            let Some(chain) = queue.take(memory)? else {
                break;
            };
            let mut written = 0;
            while let Some(byte) = self.typed.first()
                && chain.write(memory, written, &[byte])? == 1
            {
                self.typed.take();
                written += 1;
            }
            queue.complete(memory, chain, written as u32)?;
            done = true;
        }
        Ok(done && queue.wants_notification(memory)?)
    }
}

impl<M: Memory, O: FnMut(&[u8]) + Send> Device<M> for Console<O> {
    fn kind(&self) -> u16 {
        KIND
    }

    fn queues(&self) -> usize {
        2
    }

    fn serve(
        &mut self,
        queues: &mut [Queue],
        _: Option<usize>,
        memory: &M,
    ) -> Result<bool, QueueError> {
        let printed = self.transmit(&mut queues[TRANSMIT], memory)?;
        let received = self.receive(&mut queues[RECEIVE], memory)?;
        Ok(printed || received)
    }

    fn reset(&mut self) {
        self.typed.clear();
    }

    fn room(&self) -> Option<usize> {
        Some(self.typed.room())
    }

    fn type_in(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.iter().take_while(|&&byte| self.typed.push(byte));
        taken.count()
    }
}
