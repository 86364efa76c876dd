//! Programs that were made elsewhere: they may be position independent, find their own program headers, and ask for
//! other places in memory than the usual ones.

use l4_abi::flexpage::PAGE_SIZE;
use l4_abi::l4re::POSITION_INDEPENDENT_START;
use l4_abi::protocol::thread::ExRegsFlags;
use l4_loader::auxiliary::{Record, Records};
use l4_loader::{Elf, Error};
use l4_memory::Shared;

use crate::layout::{Layout, SMALLEST_STACK};

/// Bytes of a program's wishes that are read; it has four kinds of them.
const AUXILIARY_MAX: usize = 512;

/// How far the program is moved from where it was linked.
pub(crate) fn base(elf: &Elf<'_>) -> u64 {
    match elf.is_position_independent() {
        true => POSITION_INDEPENDENT_START,
        false => 0,
    }
}

/// The layout that the program asks for.
pub(crate) fn layout(elf: &Elf<'_>, file: &Shared) -> Result<Layout, Error> {
    let segment = elf.auxiliary_segment();
    let mut records = [0; AUXILIARY_MAX];
    let length = segment.map_or(0, |header| header.file_size.min(AUXILIARY_MAX as u64));
    let records = &mut records[..length as usize];
    file.read(segment.map_or(0, |header| header.offset), records);
    Layout::new(Records::new(records))
}

/// Where in memory the part of the file with the program headers is.
pub(crate) fn program_headers(elf: &Elf<'_>) -> Option<(u64, u64)> {
    let (table, count) = elf.program_header_table();
    let headers = elf.program_headers().filter(|header| {
        header.kind == l4_loader::elf::segment_type::LOAD
            && (header.offset..header.offset + header.file_size).contains(&table)
    });
    let part = headers.min_by_key(|header| header.offset)?;
    Some((part.virtual_address + (table - part.offset), count as u64))
}

impl Layout {
    /// What the records ask for. Error: they are damaged, or cannot be followed.
    fn new(records: Records<'_>) -> Result<Self, Error> {
        let mut layout = Self::USUAL;
        let page = |address| address & !(PAGE_SIZE - 1);
        for record in records {
            match record? {
                Record::StackAddress(start) => layout.stack_start = page(start),
                Record::StackSize(size) => {
                    let size = size.max(SMALLEST_STACK);
                    let size = size.checked_next_multiple_of(PAGE_SIZE);
                    layout.stack_size = size.ok_or(Error::Auxiliary)?;
                }
                Record::KipAddress(address) => layout.kip = page(address),
                Record::Reserve { start, end } => {
                    let size = end.checked_sub(start).and_then(|size| size.checked_add(1));
                    layout.reserved.push((start, size.ok_or(Error::Auxiliary)?));
                }
                Record::ExRegsFlags(flags) => {
                    layout.start_flags = ExRegsFlags::from_bits_retain(flags);
                }
                Record::Unknown(_) => {}
            }
        }
        // The page below the stack is kept free too.
        let below = layout.stack_start.checked_sub(PAGE_SIZE);
        let end = layout.stack_start.checked_add(layout.stack_size);
        below.and(end).ok_or(Error::Auxiliary)?;
        Ok(layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Records of a type with their values.
    fn layout(records: &[(u64, &[u64])]) -> Result<Layout, Error> {
        let mut bytes = Vec::new();
        for (kind, values) in records {
            let length = 16 + 8 * values.len() as u64;
            let words = [*kind, length].into_iter().chain(values.iter().copied());
            bytes.extend(words.flat_map(u64::to_le_bytes));
        }
        Layout::new(Records::new(&bytes))
    }

    #[test]
    fn a_program_that_asks_for_nothing_gets_the_usual_places() {
        let layout = layout(&[]).unwrap();
        assert_eq!(
            (layout.stack_start, layout.stack_end()),
            (0x8000_0000, 0x8020_0000)
        );
        assert_eq!((layout.kip, layout.reserved.len()), (0x6fff_f000, 0));
        assert!(layout.start_flags.is_empty());
    }

    #[test]
    fn a_program_gets_what_it_asks_for_in_whole_pages() {
        // The first two are what the loader of L4Re has (abi/08 §8).
        let layout = layout(&[
            (4, &[0x7fff_f000]),
            (3, &[0x7100_0123]),
            (2, &[0x10_0001]),
            (1, &[0x1000_0000, 0x1fff_ffff]),
            (99, &[1, 2, 3]),
        ])
        .unwrap();
        assert_eq!(
            (layout.stack_start, layout.stack_end()),
            (0x7100_0000, 0x7110_1000)
        );
        assert_eq!(layout.kip, 0x7fff_f000);
        assert_eq!(layout.reserved, [(0x1000_0000, 0x1000_0000)]);
    }

    #[test]
    fn wishes_that_cannot_be_followed_are_refused() {
        for records in [
            &[(2, &[u64::MAX][..])][..],
            &[(3, &[u64::MAX])],
            &[(3, &[0xfff])],
            &[(1, &[2, 1])],
            &[(1, &[0, u64::MAX])],
            &[(1, &[5])],
        ] {
            assert_eq!(
                layout(records).err(),
                Some(Error::Auxiliary),
                "{records:x?}"
            );
        }
        assert_eq!(layout(&[(2, &[0])]).unwrap().stack_size, SMALLEST_STACK);
    }
}
