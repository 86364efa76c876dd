//! One request: a chain of buffers.

use crate::ring::{Buffer, Layout, QueueError, descriptor_flag};
use l4_memory::{Access, Memory};

/// Most buffers that a request can have.
pub const MAX_BUFFERS: usize = 64;

/// A request as it was read from the queue: first the buffers to read, then those to write.
///
/// It is a copy; that the other end changes its descriptors meanwhile does not matter.
#[derive(Clone, Debug)]
pub struct Chain {
    head: u16,
    readable: usize,
    length: usize,
    buffers: [Buffer; MAX_BUFFERS],
}

impl Chain {
    /// Reads the chain that begins with descriptor `head`.
    pub(crate) fn read_from(
        layout: &Layout,
        memory: &impl Memory,
        head: u16,
    ) -> Result<Self, QueueError> {
        let mut chain = Self {
            head,
            readable: 0,
            length: 0,
            buffers: [Buffer::default(); MAX_BUFFERS],
        };
        let mut index = head;
        loop {
            let descriptor = layout.read_descriptor(memory, index)?;
            if descriptor.flags & descriptor_flag::INDIRECT != 0 {
                return Err(QueueError::Indirect);
            }
            let place = chain.buffers.get_mut(chain.length);
            *place.ok_or(QueueError::Chain)? = descriptor.buffer;
            chain.length += 1;
            let is_last = chain.length == layout.size().into();
            if descriptor.flags & descriptor_flag::WRITE == 0 {
                chain.readable += 1;
                if chain.readable != chain.length {
                    return Err(QueueError::Order);
                }
            }
            if descriptor.flags & descriptor_flag::NEXT == 0 {
                return Ok(chain);
            }
            // All descriptors are in it, so the next one is for the second time.
            if is_last {
                return Err(QueueError::Chain);
            }
            index = descriptor.next;
        }
    }

    /// Its first descriptor, by which it is completed.
    pub fn head(&self) -> u16 {
        self.head
    }

    /// The buffers to read.
    pub fn readable(&self) -> &[Buffer] {
        &self.buffers[..self.readable]
    }

    /// The buffers to write.
    pub fn writable(&self) -> &[Buffer] {
        &self.buffers[self.readable..self.length]
    }

    /// Bytes to read.
    pub fn readable_length(&self) -> u64 {
        length(self.readable())
    }

    /// Bytes to write.
    pub fn writable_length(&self) -> u64 {
        length(self.writable())
    }

    /// Copies from byte `offset` of the readable part on into `target`; how many bytes there were.
    pub fn read(&self, memory: &impl Memory, offset: u64, target: &mut [u8]) -> Access<usize> {
        let mut done = 0;
        for piece in pieces(self.readable(), offset, target.len()) {
            let length = piece.length as usize;
            memory.read(piece.address, &mut target[done..done + length])?;
            done += length;
        }
        Ok(done)
    }

    /// Copies `source` to byte `offset` of the writable part; how many bytes had room.
    pub fn write(&self, memory: &impl Memory, offset: u64, source: &[u8]) -> Access<usize> {
        let mut done = 0;
        for piece in pieces(self.writable(), offset, source.len()) {
            let length = piece.length as usize;
            memory.write(piece.address, &source[done..done + length])?;
            done += length;
        }
        Ok(done)
    }
}

fn length(buffers: &[Buffer]) -> u64 {
    buffers.iter().map(|buffer| u64::from(buffer.length)).sum()
}

/// The parts of `buffers` that hold `length` bytes from `offset` on. What is past the end of the
/// address space leads nowhere.
fn pieces(buffers: &[Buffer], mut offset: u64, length: usize) -> impl Iterator<Item = Buffer> + '_ {
    let mut left = length as u64;
    buffers.iter().filter_map(move |buffer| {
        let skipped = offset.min(buffer.length.into());
        offset -= skipped;
        let taken = (u64::from(buffer.length) - skipped).min(left);
        left -= taken;
        (taken > 0).then(|| Buffer {
            address: buffer.address.saturating_add(skipped),
            length: taken as u32,
        })
    })
}
