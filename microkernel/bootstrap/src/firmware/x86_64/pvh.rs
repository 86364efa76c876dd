//! The PVH start info (Xen, `xen/include/public/arch-x86/hvm/start_info.h`), by which `qemu
//! -kernel` starts ELF files.

use super::{MapEntry, Platform, RootPointer, pc, read_u32, read_u64};
use crate::Error;

/// Size of the start info, from version 1 on.
pub const SIZE: usize = 56;

const MAGIC: u32 = 0x336e_c578;
/// Entries that are looked at; the table has ten or so.
const MAX_ENTRIES: usize = 256;

/// Reads the start info; `read` gives so many bytes at a physical address.
pub fn platform<'a>(
    start_info: &[u8; SIZE],
    read: impl FnOnce(u64, usize) -> &'a [u8],
) -> Result<Platform, Error> {
    if read_u32(start_info, 0) != Some(MAGIC) {
        return Err(Error::Protocol);
    }
    let root_pointer = match read_u64(start_info, 32) {
        None | Some(0) => RootPointer::None,
        Some(address) => RootPointer::At(address),
    };
    let (table, count) = (read_u64(start_info, 40), read_u32(start_info, 48));
    let (Some(table), Some(count @ 1..)) = (table, count) else {
        return Err(Error::Firmware("memory map"));
    };
    let table = read(table, (count as usize).min(MAX_ENTRIES) * MapEntry::SIZE);
    pc(
        table
            .chunks_exact(MapEntry::SIZE)
            .filter_map(MapEntry::read),
        root_pointer,
    )
}
