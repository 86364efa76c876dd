//! Where the kernel's memory is: one block of RAM that the loader left free,
//! chosen once, at boot, and announced as reserved in the KIP.

use core::mem::offset_of;

use l4_abi::kip::{Header, MemoryDescriptor, MemoryType, reserved};

use crate::address::PhysicalAddress;
use crate::boot::Boot;
use crate::kip::KipPage;
use crate::memory::{FRAME_SIZE, KERNEL_MEMORY_ALIGNMENT, KernelMemory};

/// The loader's page tables and many devices reach no further.
const LIMIT: u64 = 1 << 32;
const ALIGNMENT: u64 = 1 << KERNEL_MEMORY_ALIGNMENT;

/// The header's fields that matter here are the same everywhere.
type AnyHeader = Header<3>;

/// The memory descriptors of the KIP (abi/04).
pub struct Descriptors<'a>(&'a KipPage);

impl<'a> Descriptors<'a> {
    /// Those of `kip`.
    pub fn of(kip: &'a KipPage) -> Self {
        Self(kip)
    }

    /// Where they are in the page, and those that can be.
    fn places(&self) -> impl Iterator<Item = usize> {
        let first = self
            .0
            .half(offset_of!(AnyHeader, memory_descriptors_offset)) as usize;
        let count = self.0.half(offset_of!(AnyHeader, memory_descriptors_count)) as usize;
        (0..count).map(move |index| first + index * size_of::<MemoryDescriptor>())
    }

    fn at(&self, place: usize) -> MemoryDescriptor {
        MemoryDescriptor::from_words(self.0.word(place), self.0.word(place + 8))
    }

    /// All descriptors that are in use.
    pub fn iter(&self) -> impl Iterator<Item = MemoryDescriptor> {
        let all = self.places().map(|place| self.at(place));
        all.filter(|descriptor| descriptor.is_used())
    }

    /// Adds a descriptor; false if there is no room.
    pub fn add(&self, descriptor: MemoryDescriptor) -> bool {
        let Some(free) = self.places().find(|place| !self.at(*place).is_used()) else {
            return false;
        };
        let [low, high] = descriptor.words();
        self.0.set_word(free, low);
        self.0.set_word(free + 8, high);
        true
    }

    /// Bytes of RAM.
    pub fn memory_size(&self) -> u64 {
        self.physical()
            .filter(|descriptor| descriptor.kind() == Some(MemoryType::Conventional))
            .map(|descriptor| descriptor.last() - descriptor.start() + 1)
            .sum()
    }

    fn physical(&self) -> impl Iterator<Item = MemoryDescriptor> {
        self.iter().filter(|descriptor| !descriptor.is_virtual())
    }

    /// The highest free block of `size` bytes below `limit`, at a multiple of
    /// `alignment`, which is a power of two.
    pub fn find_free(&self, size: u64, alignment: u64, limit: u64) -> Option<u64> {
        self.physical()
            .filter(|descriptor| descriptor.kind() == Some(MemoryType::Conventional))
            .filter_map(|memory| {
                let end = memory.last().saturating_add(1).min(limit);
                self.find_below(memory.start(), end, size, alignment)
            })
            .max()
    }

    /// The highest block in a range of RAM that nothing else overlaps.
    fn find_below(&self, start: u64, end: u64, size: u64, alignment: u64) -> Option<u64> {
        let mut start_of_block = end.checked_sub(size)? & !(alignment - 1);
        loop {
            if start_of_block < start {
                return None;
            }
            let last = start_of_block + (size - 1);
            let obstacle = self
                .physical()
                .filter(|descriptor| descriptor.kind() != Some(MemoryType::Conventional))
                .filter(|other| other.start() <= last && start_of_block <= other.last())
                .map(|other| other.start())
                .min();
            match obstacle {
                None => return Some(start_of_block),
                Some(below) => {
                    start_of_block = below.checked_sub(size)? & !(alignment - 1);
                }
            }
        }
    }
}

/// Takes `size` bytes of free RAM, rounded up to 2 MiB, for the kernel.
/// `None` if there is no such block.
pub fn take(boot: &mut Boot, size: u64) -> Option<KernelMemory> {
    let size = size.next_multiple_of(ALIGNMENT);
    let descriptors = Descriptors::of(boot.kip());
    let start = descriptors.find_free(size, ALIGNMENT, LIMIT)?;
    let last = start + (size - 1);
    let own = MemoryDescriptor::physical(MemoryType::Reserved, reserved::HEAP, start, last);
    if !descriptors.add(own) {
        return None;
    }
    let frames = usize::try_from(size).ok()? / FRAME_SIZE;
    // SAFETY: the loader says that it is RAM, and that nothing is there; that
    // it is the kernel's from now on is in the KIP before anybody reads that.
    Some(unsafe { boot.map_kernel_memory(PhysicalAddress::new(start), frames) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kip(descriptors: &[MemoryDescriptor]) -> KipPage {
        let page = KipPage::in_image(0x90, 0, &[]);
        page.set_half(offset_of!(AnyHeader, memory_descriptors_offset), 0x90);
        page.set_half(offset_of!(AnyHeader, memory_descriptors_count), 8);
        for descriptor in descriptors {
            assert!(Descriptors::of(&page).add(*descriptor));
        }
        page
    }

    fn memory(start: u64, size: u64) -> MemoryDescriptor {
        MemoryDescriptor::physical(MemoryType::Conventional, 0, start, start + size - 1)
    }

    fn taken(start: u64, size: u64) -> MemoryDescriptor {
        MemoryDescriptor::physical(MemoryType::Bootloader, 7, start, start + size - 1)
    }

    const MIB: u64 = 1 << 20;

    fn find(page: &KipPage, size: u64) -> Option<u64> {
        Descriptors::of(page).find_free(size, ALIGNMENT, LIMIT)
    }

    #[test]
    fn the_highest_free_block_is_found() {
        let page = kip(&[memory(MIB, 511 * MIB)]);
        assert_eq!(find(&page, 16 * MIB), Some(496 * MIB));
        assert_eq!(Descriptors::of(&page).memory_size(), 511 * MIB);
    }

    #[test]
    fn what_the_loader_put_somewhere_is_left_alone() {
        let page = kip(&[
            memory(0, 64 * MIB),
            taken(50 * MIB, MIB),
            taken(30 * MIB, MIB),
        ]);
        assert_eq!(find(&page, 16 * MIB), Some(34 * MIB));
        assert_eq!(find(&page, 30 * MIB), Some(0));
        assert_eq!(find(&page, 32 * MIB), None);
    }

    #[test]
    fn a_page_of_low_memory_is_found() {
        let page = kip(&[
            memory(0, 0x9_fc00),
            taken(0x9_d000, 0x1000),
            memory(MIB, 511 * MIB),
        ]);
        let descriptors = Descriptors::of(&page);
        assert_eq!(descriptors.find_free(0x1000, 0x1000, MIB), Some(0x9_e000));
        assert_eq!(descriptors.find_free(0x2000, 0x1000, MIB), Some(0x9_b000));
    }

    #[test]
    fn memory_above_four_gibibytes_is_not_used() {
        let page = kip(&[memory(0, 8192 * MIB)]);
        assert_eq!(find(&page, 512 * MIB), Some(4096 * MIB - 512 * MIB));
        let page = kip(&[memory(8192 * MIB, 1024 * MIB)]);
        assert_eq!(find(&page, 16 * MIB), None);
    }
}
