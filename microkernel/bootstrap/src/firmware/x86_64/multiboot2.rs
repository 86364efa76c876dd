//! The multiboot2 information (Multiboot2 specification 2.0 §3.6), by which GRUB starts us on BIOS
//! and on UEFI.

use super::{MapEntry, Platform, RootPointer, RootPointerCopy, pc, read_u32};
use crate::Error;

/// What the loader leaves in the first register.
pub const MAGIC: u32 = 0x36d7_6289;

const TAG_END: u32 = 0;
const TAG_MEMORY_MAP: u32 = 6;
const TAG_ACPI_1: u32 = 14;
const TAG_ACPI_2: u32 = 15;

/// Size of the information in bytes, by its first word.
pub fn size(first_word: u32) -> usize {
    first_word as usize
}

/// Reads the information.
pub fn platform(information: &[u8]) -> Result<Platform, Error> {
    let tag = |kind| {
        Tags {
            rest: information.get(8..).unwrap_or(&[]),
        }
        .find(|tag| tag.0 == kind)
        .map(|tag| tag.1)
    };
    let root_pointer = match tag(TAG_ACPI_2).or(tag(TAG_ACPI_1)) {
        None => RootPointer::None,
        Some(pointer) => RootPointer::Copy(copy(pointer)),
    };
    let map = tag(TAG_MEMORY_MAP).ok_or(Error::Firmware("memory map"))?;
    let entry_size = read_u32(map, 0).map_or(0, |size| size as usize);
    let entries = map
        .get(8..)
        .filter(|_| entry_size >= MapEntry::SIZE)
        .ok_or(Error::Firmware("memory map"))?;
    pc(
        entries.chunks_exact(entry_size).filter_map(MapEntry::read),
        root_pointer,
    )
}

/// The first version of the root pointer is shorter.
fn copy(pointer: &[u8]) -> RootPointerCopy {
    let mut copy = [0; size_of::<RootPointerCopy>()];
    copy.iter_mut()
        .zip(pointer)
        .for_each(|(to, from)| *to = *from);
    copy
}

/// Type and contents of each tag. A tag that is too short or too long ends the list.
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = read_u32(self.rest, 0).filter(|&kind| kind != TAG_END)?;
        let size = read_u32(self.rest, 4)? as usize;
        let contents = self.rest.get(8..size)?;
        self.rest = self.rest.get(size.next_multiple_of(8)..).unwrap_or(&[]);
        Some((kind, contents))
    }
}
