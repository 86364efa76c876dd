//! Moving a position-independent program: `R_*_RELATIVE`, the one relocation that a static one has.
//!
//! The addend is in the table, not in the program's memory, so that relocating twice does no harm:
//! programs that do it again by themselves work.

use core::ops::Range;

use crate::{Elf, Error, Machine, elf::segment_type, read_u32, read_u64};

const TAG_NULL: u64 = 0;
const TAG_TABLE: u64 = 7;
const TAG_TABLE_SIZE: u64 = 8;
const TAG_ENTRY_SIZE: u64 = 9;
const ENTRY_SIZE: u64 = 24;
const KIND_NONE: u32 = 0;

impl Elf<'_> {
    /// Relocates the program in `image`, which is its memory from the first byte of
    /// [`Elf::virtual_range`] on, filled from the segments. `offset` is the distance from where it
    /// was linked to where it will run. A program without relocations is left as it is.
    pub fn relocate(&self, image: &mut [u8], offset: u64) -> Result<(), Error> {
        let Some(table) = self.relocations()? else {
            return Ok(());
        };
        let base = self.virtual_range()?.start;
        let relative = match self.machine() {
            Machine::X86_64 => 8,
            Machine::Aarch64 => 1027,
        };
        // The table lies in a segment, so it is in the image; reading it there or from the file
        // makes no difference except that the program's own memory is what it would read itself.
        for entry in table.step_by(ENTRY_SIZE as usize) {
            let entry = entry.checked_sub(base).ok_or(Error::Relocation)?;
            let address = read_u64(image, entry).ok_or(Error::Relocation)?;
            let kind = read_u32(image, entry + 8).ok_or(Error::Relocation)?;
            let addend = read_u64(image, entry + 16).ok_or(Error::Relocation)?;
            if kind == KIND_NONE {
                continue;
            }
            if kind != relative {
                return Err(Error::UnsupportedRelocation(kind));
            }
            let target = address
                .checked_sub(base)
                .and_then(|target| usize::try_from(target).ok());
            let target = target.and_then(|target| image.get_mut(target..)?.first_chunk_mut());
            *target.ok_or(Error::Relocation)? = addend.wrapping_add(offset).to_le_bytes();
        }
        Ok(())
    }

    /// Where the relocation table lies, as linked.
    fn relocations(&self) -> Result<Option<Range<u64>>, Error> {
        let Some(dynamic) = self.find(segment_type::DYNAMIC) else {
            return Ok(None);
        };
        let (mut table, mut size, mut entry_size) = (None, 0, ENTRY_SIZE);
        for pair in self.contents(&dynamic).chunks_exact(16) {
            let value = read_u64(pair, 8).unwrap_or(0);
            match read_u64(pair, 0).unwrap_or(TAG_NULL) {
                TAG_NULL => break,
                TAG_TABLE => table = Some(value),
                TAG_TABLE_SIZE => size = value,
                TAG_ENTRY_SIZE => entry_size = value,
                _ => {}
            }
        }
        let Some(table) = table else { return Ok(None) };
        let end = table.checked_add(size).ok_or(Error::Relocation)?;
        let program = self.virtual_range()?;
        let sound = entry_size == ENTRY_SIZE
            && size % ENTRY_SIZE == 0
            && program.start <= table
            && end <= program.end;
        if sound {
            Ok(Some(table..end))
        } else {
            Err(Error::Relocation)
        }
    }
}
