//! Loads one ELF program into physical memory.

use core::ops::Range;

use boot_image::{Kind, Module};
use l4_loader::{Elf, Machine, Segment, elf::MAX_PROGRAM_HEADERS, elf::segment_type};

use crate::{
    Error,
    list::List,
    memory_map::{Block, MemoryMap, PAGE_SIZE, PhysicalMemory},
};

/// A kernel maps itself with large pages, so it may move by whole ones only.
const KERNEL_ALIGN: u64 = 2 << 20;

/// A program in memory.
#[derive(Debug)]
pub struct Program<'a> {
    elf: Elf<'a>,
    kind: Kind,
    blocks: List<Block, MAX_PROGRAM_HEADERS>,
    /// Distance from its physical addresses in the file to where it lies, modulo 2^64.
    offset: u64,
}

impl<'a> Program<'a> {
    /// Copies a module's segments into memory.
    ///
    /// A position-independent sigma0 or root task goes to the lowest free place and is relocated.
    /// Everything else goes to its physical addresses; only a kernel that is position independent
    /// or has a dynamic section may be moved, and then relocates itself.
    pub fn load(
        module: &Module<'a>,
        machine: Machine,
        map: &mut MemoryMap,
        memory: &mut impl PhysicalMemory,
    ) -> Result<Self, Error> {
        let kind = module.kind;
        let elf = Elf::parse(module.data).map_err(|error| Error::Program(kind, error))?;
        if elf.machine() != machine {
            return Err(Error::Machine(kind));
        }
        let mut program = Program {
            elf,
            kind,
            blocks: List::default(),
            offset: 0,
        };
        let dynamic = elf.find(segment_type::DYNAMIC).is_some();
        let movable = elf.is_position_independent() || dynamic && kind == Kind::Kernel;
        match kind {
            Kind::Kernel if movable && program.address_taken(map).is_some() => {
                program.place_anywhere(map, KERNEL_ALIGN)?;
            }
            Kind::Sigma0 | Kind::RootTask if movable => program.place_anywhere(map, PAGE_SIZE)?,
            _ => program.place_as_linked(map)?,
        }
        program.fill(memory)?;
        if movable && kind != Kind::Kernel {
            program.relocate(memory)?;
        }
        Ok(program)
    }

    /// Physical address of its first instruction.
    pub fn entry(&self) -> u64 {
        self.elf.entry().wrapping_add(self.offset)
    }

    /// Its segments, and where each lies in memory.
    pub fn segments(&self) -> impl Iterator<Item = (Range<u64>, Segment<'a>)> {
        self.elf
            .segments()
            .map(|segment| (self.range(&segment), segment))
    }

    /// What it occupies.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    /// Physical address of the first program header of this kind.
    pub fn find(&self, kind: u32) -> Option<u64> {
        self.elf
            .find(kind)
            .map(|header| header.physical_address.wrapping_add(self.offset))
    }

    /// Memory of the program from here to the end of its segment.
    pub fn tail<'m>(
        &self,
        memory: &'m mut impl PhysicalMemory,
        address: u64,
    ) -> Option<&'m mut [u8]> {
        let block = self
            .blocks
            .iter()
            .find(|block| block.range().contains(&address))?;
        memory
            .bytes(block)
            .get_mut((address - block.range().start) as usize..)
    }

    fn range(&self, segment: &Segment<'_>) -> Range<u64> {
        let start = segment.physical_address.wrapping_add(self.offset);
        start..start.wrapping_add(segment.memory_size)
    }

    fn address_taken(&self, map: &MemoryMap) -> Option<u64> {
        self.segments()
            .map(|(range, _)| range)
            .find(|range| !map.is_free(range))
            .map(|range| range.start)
    }

    fn place_as_linked(&mut self, map: &mut MemoryMap) -> Result<(), Error> {
        for segment in self.elf.segments() {
            let range = segment.physical_range();
            let block = map
                .claim(range.clone())?
                .ok_or(Error::AddressTaken(self.kind, range.start))?;
            self.keep(block)?;
        }
        Ok(())
    }

    fn place_anywhere(&mut self, map: &mut MemoryMap, align: u64) -> Result<(), Error> {
        let range = self
            .elf
            .physical_range()
            .map_err(|error| Error::Program(self.kind, error))?;
        // Segments keep their distance, and with it their place within the alignment unit.
        let start = range.start - range.start % align;
        let block = map.claim_any(range.end - start, align)?;
        self.offset = block.range().start.wrapping_sub(start);
        self.keep(block)
    }

    fn keep(&mut self, block: Block) -> Result<(), Error> {
        match self.blocks.push(block) {
            true => Ok(()),
            false => Err(Error::TooMany("program segments")),
        }
    }

    fn fill(&mut self, memory: &mut impl PhysicalMemory) -> Result<(), Error> {
        for block in self.blocks.iter() {
            memory.bytes(block).fill(0);
        }
        for (range, segment) in self.segments() {
            let bytes = self
                .tail(memory, range.start)
                .and_then(|bytes| bytes.get_mut(..segment.data.len()));
            bytes
                .ok_or(Error::AddressTaken(self.kind, range.start))?
                .copy_from_slice(segment.data);
        }
        Ok(())
    }

    fn relocate(&self, memory: &mut impl PhysicalMemory) -> Result<(), Error> {
        let error = |error| Error::Program(self.kind, error);
        let range = self.elf.physical_range().map_err(error)?;
        if self.elf.virtual_range() != Ok(range.clone()) {
            return Err(error(l4_loader::Error::Relocation));
        }
        let size = (range.end - range.start) as usize;
        let image = self
            .tail(memory, range.start.wrapping_add(self.offset))
            .and_then(|image| image.get_mut(..size));
        let image = image.ok_or(error(l4_loader::Error::Relocation))?;
        self.elf.relocate(image, self.offset).map_err(error)
    }
}
