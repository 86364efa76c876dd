//! The three parts of a split virtqueue in memory (virtio 1.2 §2.7.5 – §2.7.8).
//!
//! | Part | Written by | Content |
//! |---|---|---|
//! | descriptor table | driver | per descriptor 16 bytes: u64 address, u32 length, u16 flags, u16 next |
//! | available ring | driver | u16 flags, u16 index, u16 per entry: head of a chain |
//! | used ring | device | u16 flags, u16 index, 8 bytes per entry: u32 head, u32 bytes written |

use core::fmt;

use l4_memory::{Access, Inaccessible, Memory};

/// Flags of descriptors.
pub(crate) mod descriptor_flag {
    pub(crate) const NEXT: u16 = 1;
    pub(crate) const WRITE: u16 = 2;
    pub(crate) const INDIRECT: u16 = 4;
}

/// In the flags of either ring: no notification is wanted.
pub(crate) const NO_NOTIFICATION: u16 = 1;

/// Most descriptors that a queue can have.
pub const MAX_SIZE: u16 = 1 << 15;

pub(crate) const DESCRIPTOR_BYTES: u64 = 16;
pub(crate) const RING_HEADER_BYTES: u64 = 4;
pub(crate) const USED_ENTRY_BYTES: u64 = 8;

/// Memory of a request, for the device to read or to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub length: u32,
}

/// What the other end did wrong. The queue is of no use until it is set up anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// Size not a power of two up to [`MAX_SIZE`], or a part not aligned as it must be.
    Layout,
    /// The queue or a buffer of it leads outside of the shared memory.
    Inaccessible,
    /// The index of a ring is further ahead than there are entries.
    Index,
    /// There is no such descriptor.
    Descriptor,
    /// A chain of more than [`MAX_BUFFERS`](crate::MAX_BUFFERS) descriptors: a loop perhaps.
    Chain,
    /// A buffer to be read behind one to be written.
    Order,
    /// Indirect descriptors, which were not offered.
    Indirect,
    /// A completed chain that is not under way, or has fewer bytes than are said to be written.
    Completion,
}

impl From<Inaccessible> for QueueError {
    fn from(_: Inaccessible) -> Self {
        Self::Inaccessible
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Layout => "the queue's size or place cannot be right",
            Self::Inaccessible => "an address is outside of the shared memory",
            Self::Index => "a ring's index ran ahead",
            Self::Descriptor => "there is no such descriptor",
            Self::Chain => "a chain is too long, or has no end",
            Self::Order => "a readable buffer is behind a writable one",
            Self::Indirect => "indirect descriptors were not offered",
            Self::Completion => "what is completed was not under way",
        })
    }
}

impl core::error::Error for QueueError {}

/// Where a queue lies: its size and the addresses of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    size: u16,
    descriptors: u64,
    available: u64,
    used: u64,
}

/// A descriptor as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) buffer: Buffer,
    pub(crate) flags: u16,
    pub(crate) next: u16,
}

impl Layout {
    /// A queue of `size` descriptors. Error: [`QueueError::Layout`].
    pub fn new(size: u16, descriptors: u64, available: u64, used: u64) -> Result<Self, QueueError> {
        let is_aligned = descriptors.is_multiple_of(DESCRIPTOR_BYTES)
            && available.is_multiple_of(2)
            && used.is_multiple_of(4);
        let has_end = [descriptors, available, used].iter().all(|start| {
            let longest = DESCRIPTOR_BYTES * u64::from(MAX_SIZE);
            start.checked_add(longest).is_some()
        });
        if !size.is_power_of_two() || size > MAX_SIZE || !is_aligned || !has_end {
            return Err(QueueError::Layout);
        }
        Ok(Self {
            size,
            descriptors,
            available,
            used,
        })
    }

    /// Number of descriptors.
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Address of the descriptor table.
    pub fn descriptors(&self) -> u64 {
        self.descriptors
    }

    /// Address of the available ring.
    pub fn available(&self) -> u64 {
        self.available
    }

    /// Address of the used ring.
    pub fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn read_descriptor(
        &self,
        memory: &impl Memory,
        index: u16,
    ) -> Result<Descriptor, QueueError> {
        if index >= self.size {
            return Err(QueueError::Descriptor);
        }
        let mut bytes = [0; DESCRIPTOR_BYTES as usize];
        memory.read(self.descriptor(index), &mut bytes)?;
        let [address, rest] = words(bytes);
        Ok(Descriptor {
            buffer: Buffer {
                address,
                length: rest as u32,
            },
            flags: (rest >> 32) as u16,
            next: (rest >> 48) as u16,
        })
    }

    /// Address of the flags of the available ring; its index is behind them.
    pub(crate) fn available_flags(&self) -> u64 {
        self.available
    }

    pub(crate) fn available_index(&self) -> u64 {
        self.available + 2
    }

    /// Address of the entry for a count of entries that wraps around.
    pub(crate) fn available_entry(&self, count: u16) -> u64 {
        self.available + RING_HEADER_BYTES + 2 * self.place(count)
    }

    pub(crate) fn used_flags(&self) -> u64 {
        self.used
    }

    pub(crate) fn used_index(&self) -> u64 {
        self.used + 2
    }

    pub(crate) fn write_used(
        &self,
        memory: &impl Memory,
        count: u16,
        head: u16,
        written: u32,
    ) -> Access {
        let entry = u64::from(head) | u64::from(written) << 32;
        memory.write(self.used_entry(count), &entry.to_le_bytes())
    }

    pub(crate) fn used_entry(&self, count: u16) -> u64 {
        self.used + RING_HEADER_BYTES + USED_ENTRY_BYTES * self.place(count)
    }

    pub(crate) fn descriptor(&self, index: u16) -> u64 {
        self.descriptors + DESCRIPTOR_BYTES * u64::from(index)
    }

    fn place(&self, count: u16) -> u64 {
        u64::from(count & (self.size - 1))
    }
}

fn words(bytes: [u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(bytes);
    [both as u64, (both >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_follow_each_other() {
        let layout = Layout::contiguous(8, 0x1000).unwrap();
        assert_eq!(layout.descriptors(), 0x1000);
        assert_eq!(layout.available(), 0x1080);
        assert_eq!(layout.used(), 0x1098);
        assert_eq!(layout.end(), 0x1098 + 4 + 8 * 8 + 2);
        assert_eq!(layout.available_entry(9), 0x1080 + 4 + 2);
    }

    #[test]
    fn sizes_and_places_that_cannot_be_are_refused() {
        assert!(Layout::new(1, 0x10, 0x2, 0x4).is_ok());
        assert!(Layout::new(MAX_SIZE, 0, 0, 0).is_ok());
        for (size, descriptors, available, used) in [
            (0, 0, 0, 0),
            (3, 0, 0, 0),
            (0xffff, 0, 0, 0),
            (8, 8, 0, 0),
            (8, 0, 1, 0),
            (8, 0, 0, 2),
            (8, !15, 0, 0),
            (8, 0, !1, 0),
            (8, 0, 0, !3),
        ] {
            let layout = Layout::new(size, descriptors, available, used);
            assert_eq!(layout, Err(QueueError::Layout));
        }
        assert_eq!(Layout::contiguous(8, !15), Err(QueueError::Layout));
    }
}
