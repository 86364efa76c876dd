//! How the parts of a program get into the memory of a new task, page by page.
//!
//! What the program only reads is the file itself, where its pages lie there as they do in memory;
//! everything else is a copy in fresh memory. Either way a part keeps exactly its own rights.

use core::ops::Range;

use l4_abi::flexpage::PAGE_SIZE;
use l4_abi::rights::MemoryRights;

use crate::elf::segment_type;
use crate::{Elf, Error, ProgramHeader};

/// A part of a program in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Pages that it covers, as linked.
    pub pages: Range<u64>,
    /// What the program may do there.
    pub access: MemoryRights,
    /// Where its contents come from.
    pub source: Source,
}

/// Where the contents of a part come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The pages of the file from this offset on.
    File {
        /// Offset of the first page.
        offset: u64,
    },
    /// Fresh memory full of zeros, with a part of the file copied to an offset in it.
    Copy {
        /// Where in the part.
        target: u64,
        /// What of the file.
        file: Range<u64>,
    },
}

impl<'a> Elf<'a> {
    /// All parts of the program.
    ///
    /// # Errors
    /// If it could write its own code, or parts share a page and so would share their rights.
    pub fn placements(&self) -> Result<impl Iterator<Item = Placement> + use<'a>, Error> {
        self.check_write_xor_execute()?;
        let elf = *self;
        let placements = move || {
            let is_load = |header: &ProgramHeader| {
                header.kind == segment_type::LOAD && header.memory_size > 0
            };
            elf.program_headers()
                .filter(is_load)
                .map(|header| Placement::new(&header))
        };
        for (index, one) in placements().enumerate() {
            let shares = |other: Placement| {
                one.pages.start < other.pages.end && other.pages.start < one.pages.end
            };
            if placements().skip(index + 1).any(shares) {
                return Err(Error::Overlap);
            }
        }
        Ok(placements())
    }
}

impl Placement {
    /// The same part `base` bytes further up; nothing if there are no such addresses.
    pub fn shifted(self, base: u64) -> Option<Placement> {
        let pages = self.pages.start.checked_add(base)?..self.pages.end.checked_add(base)?;
        Some(Placement { pages, ..self })
    }

    fn new(header: &ProgramHeader) -> Self {
        let access = MemoryRights::from_bits_truncate(header.flags as u8);
        let start = header.virtual_address & !(PAGE_SIZE - 1);
        // The last page of the address space has no end; nothing can be loaded there anyway.
        let end = (header.virtual_address + header.memory_size)
            .checked_next_multiple_of(PAGE_SIZE)
            .unwrap_or(!(PAGE_SIZE - 1));
        let within = header.virtual_address - start;
        let is_whole = header.file_size == header.memory_size;
        let lies_alike = header.offset % PAGE_SIZE == within;
        let source = if !access.contains(MemoryRights::WRITE) && is_whole && lies_alike {
            Source::File {
                offset: header.offset - within,
            }
        } else {
            Source::Copy {
                target: within,
                file: header.offset..header.offset + header.file_size,
            }
        };
        Placement {
            pages: start..end,
            access,
            source,
        }
    }
}
