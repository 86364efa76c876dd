//! The driver's end of a queue.

use core::sync::atomic::{Ordering, fence};

use crate::ring::{
    Buffer, DESCRIPTOR_BYTES, Descriptor, Layout, NO_NOTIFICATION, QueueError, RING_HEADER_BYTES,
    USED_ENTRY_BYTES, descriptor_flag,
};
use l4_memory::{Access, Memory};

/// Puts requests into a queue of up to `N` descriptors, and takes them out when they are completed.
///
/// What is free and what is under way it keeps to itself: the device can only lie about what it has
/// done, and is caught if it completes what it does not have.
#[derive(Debug)]
pub struct DriverQueue<const N: usize> {
    layout: Layout,
    /// The chains, and the list of free descriptors.
    next: [u16; N],
    /// Per descriptor that is the head of a chain under way: its length, and its writable bytes.
    under_way: [Option<UnderWay>; N],
    free: u16,
    first_free: u16,
    /// Chains given to the device so far, and taken back so far; they wrap around.
    offered: u16,
    taken: u16,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    length: u16,
    writable: u64,
}

/// A request that the device is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What [`DriverQueue::offer`] returned.
    pub token: u16,
    /// Bytes written, from the beginning of the writable buffers on; not more than there are.
    pub written: u32,
}

impl<const N: usize> DriverQueue<N> {
    /// An empty queue at `layout`, whose memory is zeroed.
    ///
    /// # Errors
    /// [`QueueError::Layout`] if it has more than `N` descriptors; [`QueueError::Inaccessible`].
    pub fn new(layout: Layout, memory: &impl Memory) -> Result<Self, QueueError> {
        if usize::from(layout.size()) > N {
            return Err(QueueError::Layout);
        }
        for address in (layout.available()..layout.end()).step_by(2) {
            memory.store(address, 0)?;
        }
        Ok(Self {
            layout,
            next: core::array::from_fn(|index| index as u16 + 1),
            under_way: [None; N],
            free: layout.size(),
            first_free: 0,
            offered: 0,
            taken: 0,
        })
    }

    /// Where it lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Free descriptors.
    pub fn free(&self) -> u16 {
        self.free
    }

    /// Gives the device a request: buffers for it to read, then buffers for it to write. The token
    /// comes back with its completion. `None` if there are not enough free descriptors, or no buffers.
    pub fn offer(
        &mut self,
        memory: &impl Memory,
        readable: &[Buffer],
        writable: &[Buffer],
    ) -> Access<Option<u16>> {
        let length = readable.len() + writable.len();
        if length == 0 || length > self.free.into() {
            return Ok(None);
        }
        let head = self.first_free;
        let mut index = head;
        for (position, buffer) in readable.iter().chain(writable).enumerate() {
            let next = self.next[usize::from(index)];
            let mut flags = 0;
            if position >= readable.len() {
                flags |= descriptor_flag::WRITE;
            }
            if position + 1 < length {
                flags |= descriptor_flag::NEXT;
            }
            let descriptor = Descriptor {
                buffer: *buffer,
                flags,
                next,
            };
            self.layout.write_descriptor(memory, index, descriptor)?;
            index = next;
        }
        memory.store(self.layout.available_entry(self.offered), head)?;
        self.offered = self.offered.wrapping_add(1);
        memory.store(self.layout.available_index(), self.offered)?;
        self.first_free = index;
        self.free -= length as u16;
        let writable = writable.iter().map(|buffer| u64::from(buffer.length));
        self.under_way[usize::from(head)] = Some(UnderWay {
            length: length as u16,
            writable: writable.sum(),
        });
        Ok(Some(head))
    }

    /// Takes the next completed request, if there is one.
    ///
    /// # Errors
    /// Whatever the device did wrong; the queue is of no use then.
    pub fn take(&mut self, memory: &impl Memory) -> Result<Option<Completion>, QueueError> {
        let index = memory.load(self.layout.used_index())?;
        let waiting = index.wrapping_sub(self.taken);
        if waiting == 0 {
            return Ok(None);
        }
        if waiting > self.offered.wrapping_sub(self.taken) {
            return Err(QueueError::Index);
        }
        let (head, written) = self.layout.read_used(memory, self.taken)?;
        let place = self.under_way.get_mut(head as usize);
        let place = place.ok_or(QueueError::Completion)?;
        let chain = place.filter(|chain| u64::from(written) <= chain.writable);
        let chain = chain.ok_or(QueueError::Completion)?;
        *place = None;
        let mut last = head as usize;
        for _ in 1..chain.length {
            last = self.next[last].into();
        }
        self.next[last] = self.first_free;
        self.first_free = head as u16;
        self.free += chain.length;
        self.taken = self.taken.wrapping_add(1);
        Ok(Some(Completion {
            token: head as u16,
            written,
        }))
    }

    /// Whether the device wants to be told of new requests.
    pub fn wants_notification(&self, memory: &impl Memory) -> Access<bool> {
        // The device may have looked for requests before it asked to be told of them.
        fence(Ordering::SeqCst);
        let flags = memory.load(self.layout.used_flags())?;
        Ok(flags & NO_NOTIFICATION == 0)
    }
}

/// What only who makes a queue does.
impl Layout {
    /// A queue whose parts follow each other from `start` on. Error: [`QueueError::Layout`].
    pub fn contiguous(size: u16, start: u64) -> Result<Self, QueueError> {
        let entries = u64::from(size);
        let parts = || {
            let available = start.checked_add(DESCRIPTOR_BYTES * entries)?;
            let end = available.checked_add(RING_HEADER_BYTES + 2 * (entries + 1))?;
            Some((available, end.checked_next_multiple_of(4)?))
        };
        let (available, used) = parts().ok_or(QueueError::Layout)?;
        Self::new(size, start, available, used)
    }

    /// First address behind the used ring.
    pub fn end(&self) -> u64 {
        self.used() + RING_HEADER_BYTES + USED_ENTRY_BYTES * u64::from(self.size()) + 2
    }

    fn write_descriptor(&self, memory: &impl Memory, index: u16, descriptor: Descriptor) -> Access {
        let rest = u64::from(descriptor.buffer.length)
            | u64::from(descriptor.flags) << 32
            | u64::from(descriptor.next) << 48;
        let mut bytes = [0; DESCRIPTOR_BYTES as usize];
        bytes[..8].copy_from_slice(&descriptor.buffer.address.to_le_bytes());
        bytes[8..].copy_from_slice(&rest.to_le_bytes());
        memory.write(self.descriptor(index), &bytes)
    }

    fn read_used(&self, memory: &impl Memory, count: u16) -> Access<(u32, u32)> {
        let mut bytes = [0; USED_ENTRY_BYTES as usize];
        memory.read(self.used_entry(count), &mut bytes)?;
        let entry = u64::from_le_bytes(bytes);
        Ok((entry as u32, (entry >> 32) as u32))
    }
}
