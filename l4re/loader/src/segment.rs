//! Load segments: what goes where in memory, with which access.

use core::ops::Range;

use l4_abi::flexpage::PAGE_SIZE;
use l4_abi::rights::MemoryRights;

use crate::{Elf, Error, ProgramHeader};

/// One part of a program's memory. It is never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// First address, as linked.
    pub virtual_address: u64,
    /// First address in physical memory, for programs that are loaded there.
    pub physical_address: u64,
    /// Size in memory in bytes.
    pub memory_size: u64,
    /// The first bytes of it; the rest is zero.
    pub data: &'a [u8],
    /// What the program may do there.
    pub access: MemoryRights,
}

impl<'a> Segment<'a> {
    pub(crate) fn new(header: &ProgramHeader, data: &'a [u8]) -> Self {
        Segment {
            virtual_address: header.virtual_address,
            physical_address: header.physical_address,
            memory_size: header.memory_size,
            data,
            access: MemoryRights::from_bits_truncate(header.flags as u8),
        }
    }

    /// The addresses it covers, as linked.
    pub fn virtual_range(&self) -> Range<u64> {
        self.virtual_address..self.virtual_address + self.memory_size
    }

    /// The addresses it covers in physical memory.
    pub fn physical_range(&self) -> Range<u64> {
        self.physical_address..self.physical_address + self.memory_size
    }

    pub(crate) fn overlaps(&self, other: &Segment<'_>) -> bool {
        let (one, other) = (self.virtual_range(), other.virtual_range());
        one.start < other.end && other.start < one.end
    }

    fn shares_page_with(&self, other: &Segment<'_>) -> bool {
        let pages = |range: Range<u64>| range.start / PAGE_SIZE..=(range.end - 1) / PAGE_SIZE;
        let (one, other) = (pages(self.virtual_range()), pages(other.virtual_range()));
        one.start() <= other.end() && other.start() <= one.end()
    }
}

impl Elf<'_> {
    /// From the first to behind the last byte of the program, as linked.
    pub fn virtual_range(&self) -> Result<Range<u64>, Error> {
        self.hull(|segment| segment.virtual_range())
    }

    /// From the first to behind the last byte of the program in physical memory.
    pub fn physical_range(&self) -> Result<Range<u64>, Error> {
        self.hull(|segment| segment.physical_range())
    }

    /// Refuses programs with code that they can write: a segment with both rights, or segments with
    /// one each on the same page. The check is apart from parsing because kernels and sigma0
    /// legitimately do without.
    pub fn check_write_xor_execute(&self) -> Result<(), Error> {
        let mut writable = self
            .segments()
            .filter(|segment| segment.access.contains(MemoryRights::WRITE));
        let clash = |one: &Segment<'_>| {
            let mut executable = self
                .segments()
                .filter(|segment| segment.access.contains(MemoryRights::EXECUTE));
            executable.any(|other| one.shares_page_with(&other))
        };
        if writable.any(|segment| clash(&segment)) {
            Err(Error::WritableCode)
        } else {
            Ok(())
        }
    }

    fn hull(&self, range: impl Fn(&Segment<'_>) -> Range<u64>) -> Result<Range<u64>, Error> {
        let union =
            |one: Range<u64>, other: Range<u64>| one.start.min(other.start)..one.end.max(other.end);
        self.segments()
            .map(|segment| range(&segment))
            .reduce(union)
            .ok_or(Error::NothingToLoad)
    }
}
