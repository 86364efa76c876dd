//! What physical memory there is, and what already lies in it.

use core::ops::Range;

use l4_abi::kip::firmware;

use crate::Error;
use crate::list::List;

/// Everything that is handed out starts and ends on such a boundary, so that no two users share a
/// page.
pub use l4_abi::flexpage::PAGE_SIZE;

/// Firmware maps have 5 to 50 entries.
const MAX_RANGES: usize = 128;

/// What firmware says of memory that is not for use. The values are sub types of memory
/// descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FirmwareUse {
    /// Page 0 of an x86 machine: the real-mode interrupt vectors, and where null pointers lead.
    PageZero = firmware::UNSPECIFIED,
    /// Reserved, unspecified.
    Reserved = firmware::RESERVED,
    /// ACPI tables.
    AcpiTables = firmware::ACPI_TABLES,
    /// ACPI non-volatile storage.
    AcpiNvs = firmware::ACPI_NVS,
}

/// Memory that [`MemoryMap::claim`] gave to one user, and to no other: having a block is the right
/// to write there.
#[derive(Debug, PartialEq, Eq)]
pub struct Block(Range<u64>);

impl Block {
    /// Its addresses.
    pub fn range(&self) -> Range<u64> {
        self.0.clone()
    }
}

/// Physical memory by content. Blocks only ever work on bytes that are RAM, that firmware does not
/// reserve, and that nobody else has.
pub trait PhysicalMemory {
    /// The bytes of a block.
    fn bytes(&mut self, block: &Block) -> &mut [u8];
}

/// The map.
#[derive(Clone, Debug, Default)]
pub struct MemoryMap {
    ram: List<Range<u64>, MAX_RANGES>,
    firmware: List<(Range<u64>, FirmwareUse), MAX_RANGES>,
    occupied: List<Range<u64>, MAX_RANGES>,
    limit: u64,
}

impl MemoryMap {
    /// Below are a PC's real-mode structures, which the kernel needs to start its other CPUs;
    /// nothing is put there that can lie elsewhere.
    pub const LOW_MEMORY_END: u64 = 1 << 20;

    /// An empty map. What is claimed ends at most at `limit`.
    pub fn new(limit: u64) -> Self {
        MemoryMap {
            limit,
            ..Self::default()
        }
    }

    /// Adds RAM.
    pub fn add_ram(&mut self, range: Range<u64>) -> Result<(), Error> {
        if let Some(last) = self.ram.last_mut()
            && last.end == range.start
        {
            last.end = range.end;
            return Ok(());
        }
        push(&mut self.ram, range.is_empty(), range)
    }

    /// Adds memory that firmware keeps; it wins where it overlaps RAM.
    pub fn add_firmware(&mut self, range: Range<u64>, kind: FirmwareUse) -> Result<(), Error> {
        if let Some((last, last_kind)) = self.firmware.last_mut()
            && (last.end, *last_kind) == (range.start, kind)
        {
            last.end = range.end;
            return Ok(());
        }
        push(&mut self.firmware, range.is_empty(), (range, kind))
    }

    /// Marks what already lies in memory and must survive.
    pub fn occupy(&mut self, range: Range<u64>) -> Result<(), Error> {
        push(&mut self.occupied, range.is_empty(), range)
    }

    /// Takes this range if it is all free.
    pub fn claim(&mut self, range: Range<u64>) -> Result<Option<Block>, Error> {
        if !self.is_free(&range) {
            return Ok(None);
        }
        self.occupy(range.clone())?;
        Ok(Some(Block(range)))
    }

    /// Takes the lowest free range of `size` bytes (rounded up to pages), aligned to `align`.
    pub fn claim_any(&mut self, size: u64, align: u64) -> Result<Block, Error> {
        let range = self.find(size, align).ok_or(Error::OutOfMemory(size))?;
        self.occupy(range.clone())?;
        Ok(Block(range))
    }

    /// RAM in the order that firmware gave.
    pub fn ram(&self) -> impl Iterator<Item = Range<u64>> {
        self.ram.iter().cloned()
    }

    /// What firmware keeps.
    pub fn firmware(&self) -> impl Iterator<Item = (Range<u64>, FirmwareUse)> {
        self.firmware.iter().cloned()
    }

    /// Everything claimed and occupied.
    pub fn occupied(&self) -> impl Iterator<Item = Range<u64>> {
        self.occupied.iter().cloned()
    }

    /// The block of RAM that holds this address.
    pub fn ram_around(&self, address: u64) -> Option<Range<u64>> {
        self.ram().find(|ram| ram.contains(&address))
    }

    fn find(&self, size: u64, align: u64) -> Option<Range<u64>> {
        let align = align.max(PAGE_SIZE);
        let size = size.checked_next_multiple_of(PAGE_SIZE)?;
        // The lowest free range starts where RAM starts or right behind something.
        let starts = self
            .ram()
            .map(|range| range.start)
            .chain(self.taken().map(|range| range.end));
        let starts = starts.filter_map(|start| {
            start
                .max(Self::LOW_MEMORY_END)
                .checked_next_multiple_of(align)
        });
        let ranges = starts.filter_map(|start| Some(start..start.checked_add(size)?));
        ranges
            .filter(|range| self.is_free(range))
            .min_by_key(|range| range.start)
    }

    /// Whether all of it is RAM that nobody has.
    pub fn is_free(&self, range: &Range<u64>) -> bool {
        range.end <= self.limit
            && self
                .ram()
                .any(|ram| ram.start <= range.start && range.end <= ram.end)
            && !self
                .taken()
                .any(|taken| taken.start < range.end && range.start < taken.end)
    }

    fn taken(&self) -> impl Iterator<Item = Range<u64>> {
        self.firmware()
            .map(|(range, _)| range)
            .chain(self.occupied())
    }
}

fn push<T>(list: &mut List<T, MAX_RANGES>, is_empty: bool, entry: T) -> Result<(), Error> {
    match is_empty || list.push(entry) {
        true => Ok(()),
        false => Err(Error::TooMany("memory ranges")),
    }
}
