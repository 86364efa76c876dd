//! Slabs: frames cut into blocks of one size.
//!
//! The books are kept apart from the blocks, in one entry for each frame of kernel memory, so
//! blocks are aligned as well as their size allows and a whole frame of blocks fits into a frame.
//! The frames of a class that have a free block are on a list; taking or freeing a block takes
//! the same few steps always. A class keeps one frame without used blocks at hand and gives
//! further ones back.

use machine::memory::FRAME_SIZE;

/// Block sizes in bytes. Larger ones are whole frames.
pub(super) const SIZES: [usize; CLASSES] =
    [64, 128, 192, 256, 320, 448, 576, 768, 1024, 1344, 2048];
const CLASSES: usize = 11;
/// Sizes are looked up in steps of this many bytes.
const STEP: usize = 64;

/// A block size, as an index into [`SIZES`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Class(u8);

const CLASS_OF_STEP: [u8; SIZES[CLASSES - 1] / STEP + 1] = {
    let mut table = [0; SIZES[CLASSES - 1] / STEP + 1];
    let mut class = 0;
    let mut step = 0;
    while step < table.len() {
        if step * STEP > SIZES[class] {
            class += 1;
        }
        table[step] = class as u8;
        step += 1;
    }
    table
};

impl Class {
    /// The class for blocks of `size` bytes, if such blocks come from slabs.
    #[inline(always)]
    pub(super) fn of(size: usize) -> Option<Class> {
        CLASS_OF_STEP
            .get(size.div_ceil(STEP))
            .map(|&class| Class(class))
    }

    /// Bytes of a block.
    pub(super) fn size(self) -> usize {
        SIZES[self.0 as usize]
    }

    /// A set bit for each block of a frame.
    fn all_blocks(self) -> u64 {
        ALL_BLOCKS[self.0 as usize]
    }
}

const ALL_BLOCKS: [u64; CLASSES] = {
    let mut table = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        table[class] = u64::MAX >> (u64::BITS as usize - FRAME_SIZE / SIZES[class]);
        class += 1;
    }
    table
};

/// The books on one frame, if it is a slab.
#[derive(Clone, Copy)]
pub(super) struct Slab {
    /// Bit n: block n is free.
    pub(super) free: u64,
    /// Neighbours on the list of the class.
    pub(super) next: u32,
    previous: u32,
}

/// The end of a list.
const NONE: u32 = u32::MAX;

impl Slab {
    pub(super) const UNUSED: Slab = Slab {
        free: 0,
        next: NONE,
        previous: NONE,
    };
}

#[derive(Clone, Copy)]
pub(super) struct List {
    /// The first frame that has a free block.
    pub(super) first: u32,
    /// The frame on the list that has no used block.
    unused: u32,
}

/// All slabs.
pub(super) struct Slabs {
    pub(super) frames: &'static mut [Slab],
    pub(super) lists: [List; CLASSES],
}

/// A block: its frame, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) frame: usize,
    pub(super) block: usize,
}

impl Slabs {
    /// Bytes that the books for `frames` frames take.
    pub(super) fn size_of_books(frames: usize) -> usize {
        frames * size_of::<Slab>()
    }

    /// No slabs; `frames` has an unused entry for each frame of kernel memory.
    pub(super) fn new(frames: &'static mut [Slab]) -> Slabs {
        Slabs {
            frames,
            lists: [List {
                first: NONE,
                unused: NONE,
            }; CLASSES],
        }
    }

    /// Takes a block, if a frame of the class has a free one.
    #[inline(always)]
    pub(super) fn allocate(&mut self, class: Class) -> Option<Place> {
        let list = &mut self.lists[class.0 as usize];
        let frame = list.first;
        let slab = self.frames.get_mut(frame as usize)?;
        if frame == list.unused {
            list.unused = NONE;
        }
        let block = slab.free.trailing_zeros() as usize;
        slab.free &= slab.free - 1;
        if slab.free == 0 {
            self.unlink(class, frame);
        }
        Some(Place {
            frame: frame as usize,
            block,
        })
    }

    /// Makes a free frame a slab, when the class has no free block left.
    pub(super) fn add(&mut self, class: Class, frame: usize) {
        self.frames[frame].free = class.all_blocks();
        self.lists[class.0 as usize].unused = frame as u32;
        self.link(class, frame as u32);
    }

    /// Frees a block. A frame comes back if it is no longer a slab.
    #[inline(always)]
    pub(super) fn free(&mut self, class: Class, place: Place) -> Option<usize> {
        let slab = &mut self.frames[place.frame];
        let before = slab.free;
        debug_assert!(before >> place.block & 1 == 0, "freed twice");
        slab.free |= 1 << place.block;
        let unused = slab.free == class.all_blocks();
        if before == 0 {
            self.link(class, place.frame as u32);
        }
        if !unused {
            return None;
        }
        let list = &mut self.lists[class.0 as usize];
        if list.unused == NONE {
            list.unused = place.frame as u32;
            return None;
        }
        self.unlink(class, place.frame as u32);
        self.frames[place.frame] = Slab::UNUSED;
        Some(place.frame)
    }

    /// A frame that a class keeps at hand, which then is no longer a slab.
    pub(super) fn take_unused(&mut self) -> Option<usize> {
        let class = Class(self.lists.iter().position(|list| list.unused != NONE)? as u8);
        let frame = core::mem::replace(&mut self.lists[class.0 as usize].unused, NONE);
        self.unlink(class, frame);
        self.frames[frame as usize] = Slab::UNUSED;
        Some(frame as usize)
    }

    fn link(&mut self, class: Class, frame: u32) {
        let list = &mut self.lists[class.0 as usize];
        let first = list.first;
        list.first = frame;
        self.frames[frame as usize].next = first;
        self.frames[frame as usize].previous = NONE;
        if let Some(slab) = self.frames.get_mut(first as usize) {
            slab.previous = frame;
        }
    }

    #[inline(always)]
    fn unlink(&mut self, class: Class, frame: u32) {
        let Slab { next, previous, .. } = self.frames[frame as usize];
        match self.frames.get_mut(previous as usize) {
            Some(slab) => slab.next = next,
            None => self.lists[class.0 as usize].first = next,
        }
        if let Some(slab) = self.frames.get_mut(next as usize) {
            slab.previous = previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_gets_the_smallest_class_that_fits() {
        for size in 0..=SIZES[CLASSES - 1] {
            let class = Class::of(size).unwrap();
            assert!(class.size() >= size);
            assert!(class.0 == 0 || SIZES[class.0 as usize - 1] < size);
        }
        assert_eq!(Class::of(SIZES[CLASSES - 1] + 1), None);
        assert_eq!(Class::of(usize::MAX), None);
    }

    #[test]
    fn classes_fill_a_frame_well_and_keep_alignment() {
        for size in SIZES {
            let blocks = FRAME_SIZE / size;
            assert!(blocks <= 64 && size.is_multiple_of(machine::memory::STORAGE_ALIGNMENT));
            assert!(blocks * size >= FRAME_SIZE - FRAME_SIZE / 10, "{size}");
        }
    }
}
