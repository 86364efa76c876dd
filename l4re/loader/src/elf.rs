//! An ELF file and its program headers (System V ABI, chapters 4 and 5).

use crate::{Error, Segment, read, read_u16, read_u32, read_u64};

/// `p_type` of the segments that this crate knows.
pub mod segment_type {
    /// Nothing, yet.
    pub const NULL: u32 = 0;
    /// Part of the program's memory.
    pub const LOAD: u32 = 1;
    /// The dynamic section.
    pub const DYNAMIC: u32 = 2;
}

/// Programs have about ten; the bound keeps every walk short.
pub const MAX_PROGRAM_HEADERS: usize = 64;

const HEADER_SIZE: u64 = 64;
const PROGRAM_HEADER_SIZE: u64 = 56;
const TYPE_EXECUTABLE: u16 = 2;
const TYPE_SHARED: u16 = 3;

/// The processor a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// x86-64.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

/// One program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramHeader {
    /// What it describes, see [`segment_type`].
    pub kind: u32,
    /// Access rights: 1 execute, 2 write, 4 read.
    pub flags: u32,
    /// Where its contents start in the file.
    pub offset: u64,
    /// Address the program was linked for.
    pub virtual_address: u64,
    /// Address it lies at in physical memory, for programs that care.
    pub physical_address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory; what the file does not give is zero.
    pub memory_size: u64,
    /// Alignment in memory.
    pub align: u64,
}

/// A program whose headers are sound.
#[derive(Clone, Copy, Debug)]
pub struct Elf<'a> {
    file: &'a [u8],
    size: u64,
    machine: Machine,
    position_independent: bool,
    entry: u64,
    table: u64,
    count: usize,
}

impl<'a> Elf<'a> {
    /// Checks the file and all its program headers.
    pub fn parse(file: &'a [u8]) -> Result<Self, Error> {
        Self::parse_start(file, file.len() as u64)
    }

    /// As [`parse`](Self::parse), of a file of `size` bytes of which `file` is only the start. What
    /// lies behind that has no [`contents`](Self::contents), but its place is known.
    pub fn parse_start(file: &'a [u8], size: u64) -> Result<Self, Error> {
        if read(file, 0) != Some(*b"\x7fELF") || (file.len() as u64) < HEADER_SIZE {
            return Err(Error::NotElf);
        }
        // Class 64 bit, little endian, version 1.
        if read(file, 4) != Some([2, 1, 1]) {
            return Err(Error::Unsupported);
        }
        let machine = match read_u16(file, 18) {
            Some(62) => Machine::X86_64,
            Some(183) => Machine::Aarch64,
            _ => return Err(Error::Unsupported),
        };
        let position_independent = match read_u16(file, 16) {
            Some(TYPE_EXECUTABLE) => false,
            Some(TYPE_SHARED) => true,
            _ => return Err(Error::Unsupported),
        };
        let entry = read_u64(file, 24).ok_or(Error::NotElf)?;
        let table = read_u64(file, 32).ok_or(Error::NotElf)?;
        let count = read_u16(file, 56).map_or(0, usize::from);
        if count > MAX_PROGRAM_HEADERS
            || count > 0 && read_u16(file, 54).map(u64::from) != Some(PROGRAM_HEADER_SIZE)
        {
            return Err(Error::ProgramHeader(0));
        }
        let elf = Elf {
            file,
            size: size.max(file.len() as u64),
            machine,
            position_independent,
            entry,
            table,
            count,
        };
        for index in 0..count {
            elf.check(index).ok_or(Error::ProgramHeader(index))?;
        }
        elf.check_overlap()?;
        Ok(elf)
    }

    /// The processor it is for.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// Whether it may be loaded at another address than it was linked for (`ET_DYN`).
    pub fn is_position_independent(&self) -> bool {
        self.position_independent
    }

    /// Address of its first instruction, as linked.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// Where the program header table starts in the file, and how many entries it has.
    pub fn program_header_table(&self) -> (u64, usize) {
        (self.table, self.count)
    }

    /// All program headers in file order.
    pub fn program_headers(&self) -> impl Iterator<Item = ProgramHeader> + use<'a> {
        let elf = *self;
        (0..self.count).filter_map(move |index| elf.program_header(index))
    }

    /// The first program header of this kind.
    pub fn find(&self, kind: u32) -> Option<ProgramHeader> {
        self.program_headers().find(|header| header.kind == kind)
    }

    /// What the file gives of a segment.
    pub fn contents(&self, header: &ProgramHeader) -> &'a [u8] {
        self.try_contents(header).unwrap_or(&[])
    }

    /// The parts of the program's memory, those without any memory left out.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + use<'a> {
        let elf = *self;
        let load = self
            .program_headers()
            .filter(|header| header.kind == segment_type::LOAD && header.memory_size > 0);
        load.map(move |header| Segment::new(&header, elf.contents(&header)))
    }

    fn try_contents(&self, header: &ProgramHeader) -> Option<&'a [u8]> {
        let start = usize::try_from(header.offset).ok()?;
        self.file
            .get(start..start.checked_add(usize::try_from(header.file_size).ok()?)?)
    }

    fn program_header(&self, index: usize) -> Option<ProgramHeader> {
        let at = self.table.checked_add(index as u64 * PROGRAM_HEADER_SIZE)?;
        let header = self
            .file
            .get(usize::try_from(at).ok()?..)?
            .get(..PROGRAM_HEADER_SIZE as usize)?;
        Some(ProgramHeader {
            kind: read_u32(header, 0)?,
            flags: read_u32(header, 4)?,
            offset: read_u64(header, 8)?,
            virtual_address: read_u64(header, 16)?,
            physical_address: read_u64(header, 24)?,
            file_size: read_u64(header, 32)?,
            memory_size: read_u64(header, 40)?,
            align: read_u64(header, 48)?,
        })
    }

    /// One header is inside the file, and so are its contents; its memory ends below 2^64. The null
    /// type has no contents, whatever its fields say.
    fn check(&self, index: usize) -> Option<()> {
        let header = self.program_header(index)?;
        if header.kind == segment_type::NULL {
            return Some(());
        }
        if header.kind == segment_type::LOAD && header.file_size > header.memory_size {
            return None;
        }
        header.virtual_address.checked_add(header.memory_size)?;
        header.physical_address.checked_add(header.memory_size)?;
        let end = header.offset.checked_add(header.file_size)?;
        (end <= self.size).then_some(())
    }

    fn check_overlap(&self) -> Result<(), Error> {
        for (index, one) in self.segments().enumerate() {
            if self
                .segments()
                .skip(index + 1)
                .any(|other| one.overlaps(&other))
            {
                return Err(Error::Overlap);
            }
        }
        Ok(())
    }
}
