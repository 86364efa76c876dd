//! Pieces of memory that a client shares with a server.

use core::fmt;

use l4_memory::{Access, Inaccessible, Memory};

/// Up to `N` pieces of memory at addresses of their own, which do not overlap. An access lies in one.
#[derive(Debug)]
pub struct Regions<M, const N: usize>([Option<Region<M>>; N]);

#[derive(Debug)]
struct Region<M> {
    first: u64,
    last: u64,
    memory: M,
}

/// Why a region cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// It is empty, or its addresses wrap around.
    Range,
    /// Some of its addresses have memory already.
    Overlap,
    /// There are as many as there can be.
    Full,
}

impl fmt::Display for RegionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Range => "the region is empty or wraps around",
            Self::Overlap => "the region overlaps another",
            Self::Full => "there are too many regions",
        })
    }
}

impl core::error::Error for RegionError {}

impl<M, const N: usize> Regions<M, N> {
    /// No memory.
    pub const fn new() -> Self {
        Self([const { None }; N])
    }

    /// Whether `size` bytes could be added at `base`.
    pub fn check(&self, base: u64, size: u64) -> Result<(), RegionError> {
        self.range(base, size).map(drop)
    }

    /// Adds `memory`, whose first `size` bytes are at `base` and above.
    pub fn add(&mut self, base: u64, size: u64, memory: M) -> Result<(), RegionError> {
        let (first, last) = self.range(base, size)?;
        let region = Region {
            first,
            last,
            memory,
        };
        let free = self.0.iter_mut().find(|place| place.is_none());
        *free.ok_or(RegionError::Full)? = Some(region);
        Ok(())
    }

    /// Removes all.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Bytes of all regions.
    pub fn size(&self) -> u64 {
        self.0.iter().flatten().fold(0, |sum, region| {
            sum.saturating_add((region.last - region.first).saturating_add(1))
        })
    }

    fn range(&self, base: u64, size: u64) -> Result<(u64, u64), RegionError> {
        let last = size.checked_sub(1).and_then(|more| base.checked_add(more));
        let last = last.ok_or(RegionError::Range)?;
        if (self.0.iter().flatten()).any(|other| other.first <= last && base <= other.last) {
            return Err(RegionError::Overlap);
        }
        if self.0.iter().all(Option::is_some) {
            return Err(RegionError::Full);
        }
        Ok((base, last))
    }

    /// The region that has all `length` bytes from `address` on, and where they are in it.
    fn find(&self, address: u64, length: usize) -> Access<(&M, u64)> {
        let more = (length as u64).saturating_sub(1);
        let last = address.checked_add(more).ok_or(Inaccessible)?;
        let mut regions = self.0.iter().flatten();
        let region = regions.find(|region| region.first <= address && last <= region.last);
        let region = region.ok_or(Inaccessible)?;
        Ok((&region.memory, address - region.first))
    }
}

impl<M: Memory, const N: usize> Memory for Regions<M, N> {
    fn read(&self, address: u64, target: &mut [u8]) -> Access {
        let (memory, offset) = self.find(address, target.len())?;
        memory.read(offset, target)
    }

    fn write(&self, address: u64, source: &[u8]) -> Access {
        let (memory, offset) = self.find(address, source.len())?;
        memory.write(offset, source)
    }

    fn load(&self, address: u64) -> Access<u16> {
        let (memory, offset) = self.find(address, 2)?;
        memory.load(offset)
    }

    fn store(&self, address: u64, word: u16) -> Access {
        let (memory, offset) = self.find(address, 2)?;
        memory.store(offset, word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Ram;

    #[test]
    fn accesses_find_their_region_and_stay_in_it() {
        let mut regions = Regions::<Ram, 2>::new();
        regions.add(0x1000, 0x100, Ram::new(0x100)).unwrap();
        regions
            .add(u64::MAX - 0xff, 0x100, Ram::new(0x100))
            .unwrap();
        assert_eq!(regions.size(), 0x200);
        assert_eq!(regions.write(0x10f0, &[7; 16]), Ok(()));
        let mut bytes = [0; 16];
        assert_eq!(regions.read(0x10f0, &mut bytes), Ok(()));
        assert_eq!(bytes, [7; 16]);
        assert_eq!(regions.store(u64::MAX - 1, 9), Ok(()));
        assert_eq!(regions.load(u64::MAX - 1), Ok(9));
        for wild in [0, 0xfff, 0x10f1, 0x1100, u64::MAX - 0x100, u64::MAX] {
            assert_eq!(
                regions.read(wild, &mut bytes),
                Err(Inaccessible),
                "{wild:#x}"
            );
            assert_eq!(regions.write(wild, &bytes), Err(Inaccessible), "{wild:#x}");
        }
        assert_eq!(regions.load(u64::MAX), Err(Inaccessible));
        assert_eq!(regions.load(0x1001), Err(Inaccessible));
        regions.clear();
        assert_eq!(regions.load(0x1000), Err(Inaccessible));
    }

    #[test]
    fn regions_do_not_overlap_wrap_around_or_become_too_many() {
        let mut regions = Regions::<(), 2>::new();
        regions.add(0x1000, 0x1000, ()).unwrap();
        for (base, size, error) in [
            (0x1fff, 1, RegionError::Overlap),
            (0, 0x1001, RegionError::Overlap),
            (0, u64::MAX, RegionError::Overlap),
            (0x5000, 0, RegionError::Range),
            (u64::MAX, 2, RegionError::Range),
        ] {
            assert_eq!(regions.add(base, size, ()), Err(error));
        }
        regions.add(0x2000, 1, ()).unwrap();
        assert_eq!(regions.add(0x3000, 1, ()), Err(RegionError::Full));
    }
}
