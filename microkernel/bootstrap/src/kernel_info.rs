//! The kernel info page: what bootstrap checks and writes in it (`abi/04`, `abi/07` §1).

use core::mem::offset_of;

use l4_abi::kip::{self, MemoryDescriptor};

use crate::{
    Error,
    firmware::{Platform, RootPointer},
};

/// The fields do not depend on the architecture's part of the header, which follows them.
type Header = kip::Header<0>;

/// Descriptors that are left for the kernel's own entries.
const KERNELS_OWN: usize = 8;

/// A kernel info page in the loaded kernel.
#[derive(Debug)]
pub struct KernelInfo<'a> {
    page: &'a mut [u8; kip::SIZE],
    /// Where the descriptor array lies in the page, and how many entries it takes.
    descriptors: (usize, usize),
}

impl<'a> KernelInfo<'a> {
    /// Checks that the page is one of this ABI and that its descriptor array lies inside.
    pub fn open(page: &'a mut [u8]) -> Result<Self, Error> {
        let page = page
            .first_chunk_mut()
            .ok_or(Error::Kernel("kernel info page is not in its memory"))?;
        let word = |offset| read_u32(page, offset);
        if !kip::is_compatible(
            word(offset_of!(Header, magic)),
            word(offset_of!(Header, version)),
        ) {
            return Err(Error::Kernel("kernel info page has another version"));
        }
        let start = word(offset_of!(Header, memory_descriptors_offset)) as usize;
        let count = word(offset_of!(Header, memory_descriptors_count)) as usize;
        let end = count
            .checked_mul(size_of::<MemoryDescriptor>())
            .and_then(|size| start.checked_add(size));
        if start < size_of::<Header>() || end.is_none_or(|end| end > kip::SIZE) {
            return Err(Error::Kernel(
                "memory descriptors are not in the kernel info page",
            ));
        }
        Ok(KernelInfo {
            page,
            descriptors: (start, count),
        })
    }

    /// Writes the entry points of the first two programs.
    pub fn set_entries(&mut self, sigma0: u64, root_task: u64) {
        self.put(offset_of!(Header, sigma0_entry), sigma0);
        self.put(offset_of!(Header, root_task_entry), root_task);
    }

    /// Writes where the module list lies.
    pub fn set_module_list(&mut self, address: u64) {
        self.put(offset_of!(Header, user_pointer), address);
    }

    /// Writes what the machine is: its name (cut at 15 bytes) and where its descriptions lie.
    pub fn set_platform(&mut self, platform: &Platform) {
        let root_pointer = match platform.root_pointer {
            RootPointer::At(address) => address,
            RootPointer::None | RootPointer::Copy(_) => 0,
        };
        self.put(offset_of!(Header, acpi_rsdp), root_pointer);
        let tree = platform.device_tree.as_ref().map_or(0, |tree| tree.start);
        self.put(offset_of!(Header, device_tree), tree);
        let start = offset_of!(Header, platform_name);
        let field = &mut self.page[start..start + 16];
        field.fill(0);
        for (to, from) in field[..15].iter_mut().zip(platform.name.bytes()) {
            *to = from;
        }
    }

    /// Writes the memory descriptors. `optional` ones are left out when the array is full: they
    /// tell of memory that is no RAM anyway.
    pub fn set_memory_descriptors(
        &mut self,
        needed: impl Iterator<Item = MemoryDescriptor>,
        optional: impl Iterator<Item = MemoryDescriptor>,
    ) -> Result<(), Error> {
        let (start, count) = self.descriptors;
        let room = count.saturating_sub(KERNELS_OWN);
        let mut slots = self.page[start..]
            .chunks_exact_mut(size_of::<MemoryDescriptor>())
            .take(room);
        for descriptor in needed {
            write(
                slots
                    .next()
                    .ok_or(Error::TooMany("memory ranges for the kernel info page"))?,
                descriptor,
            );
        }
        optional
            .zip(slots)
            .for_each(|(descriptor, slot)| write(slot, descriptor));
        Ok(())
    }

    fn put(&mut self, offset: usize, value: u64) {
        self.page[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
    }
}

fn write(slot: &mut [u8], descriptor: MemoryDescriptor) {
    let [low, high] = descriptor.words();
    slot[..8].copy_from_slice(&low.to_le_bytes());
    slot[8..].copy_from_slice(&high.to_le_bytes());
}

fn read_u32(page: &[u8; kip::SIZE], offset: usize) -> u32 {
    page[offset..]
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
