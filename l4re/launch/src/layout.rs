//! Where in a new program's memory the things lie that are not in its file.

use alloc::vec::Vec;

use l4_abi::flexpage::PAGE_SIZE;
use l4_abi::l4re as program;
use l4_abi::protocol::thread::ExRegsFlags;
use l4_loader::Error;
use l4_loader::auxiliary::{Record, Records};

/// Smallest stack that is made, whatever the program asks for: arguments and environment are on it.
pub(crate) const SMALLEST_STACK: u64 = 16 * PAGE_SIZE;

/// The usual places, unless the program asks for others. All are multiples of pages, and no sum of
/// start and size wraps around.
#[derive(Debug)]
pub(crate) struct Layout {
    /// First address of the stack.
    pub(crate) stack_start: u64,
    /// Its size in bytes.
    pub(crate) stack_size: u64,
    /// Address of the kernel info page.
    pub(crate) kip: u64,
    /// Addresses to keep free: first one and size in bytes.
    pub(crate) reserved: Vec<(u64, u64)>,
    /// How the first thread is started.
    pub(crate) start_flags: ExRegsFlags,
}

impl Layout {
    /// What the records ask for. Error: they are damaged, or cannot be followed.
    pub(crate) fn new(records: Records<'_>) -> Result<Self, Error> {
        let mut layout = Self {
            stack_start: program::STACK_START,
            stack_size: program::STACK_SIZE,
            kip: program::KIP_ADDRESS,
            reserved: Vec::new(),
            start_flags: ExRegsFlags::empty(),
        };
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

    /// The end of the stack.
    pub(crate) fn stack_end(&self) -> u64 {
        self.stack_start + self.stack_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
