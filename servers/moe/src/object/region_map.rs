//! Region map: which addresses of a task are backed by which part of which dataspace.
//!
//! Regions are attached memory. Areas are reserved addresses: regions get into them only when
//! asked to (`IN_AREA`). Both are sorted lists of ranges that do not overlap among themselves.
//! The map does not know its task; that it answers the task's page faults is what ties them.

use l4_abi::capability::Selector;
use l4_abi::error::ResultCode;
use l4_abi::exception::FRAME_WORDS;
use l4_abi::protocol::region_map::{DetachFlags, Flags, detach_result};
use l4_abi::rights::MemoryRights;

use super::ObjectId;
use crate::bank::{AccountId, Bank};
use crate::frames::{PAGE_SHIFT, PAGE_SIZE};
use crate::memory::FrameVec;

/// Regions and areas that one map can have, so that no search takes long.
const MOST_ENTRIES: usize = 4096;
/// What remains of an attach's flags in the region.
pub const KEPT_FLAGS: Flags = Flags::RIGHTS
    .union(Flags::CACHING)
    .union(Flags::KERNEL)
    .union(Flags::PAGER)
    .union(Flags::RESERVED)
    .union(Flags::PRIVATE)
    .union(Flags::ANONYMOUS);
/// Bytes of a region's name that are kept.
pub const NAME_MAX: usize = 40;

/// A range of addresses that is backed by memory, or kept from being so.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// First address.
    pub first: u64,
    /// Last address.
    pub last: u64,
    /// Rights, caching and kind: [`KEPT_FLAGS`].
    pub flags: Flags,
    /// What backs it; nothing for regions that are only reserved.
    pub memory: Option<ObjectId>,
    /// Where in the dataspace it begins.
    pub offset: u64,
    /// The client's selector of the dataspace, for the client's own use.
    pub client_capability: u64,
    /// Where in its file it begins, for debuggers.
    pub backing_offset: u64,
    /// Its name, for debuggers.
    pub name: Name,
}

impl Region {
    /// What its task may do with the memory.
    pub fn rights(&self) -> MemoryRights {
        MemoryRights::from_bits_truncate((self.flags & Flags::RIGHTS).bits() as u8)
    }
}

/// A short text.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    length: u8,
    bytes: [u8; NAME_MAX],
}

impl Name {
    /// As much of `text` as fits.
    pub fn new(text: &[u8]) -> Self {
        let length = text.len().min(NAME_MAX);
        let mut bytes = [0; NAME_MAX];
        bytes[..length].copy_from_slice(&text[..length]);
        Self {
            length: length as u8,
            bytes,
        }
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length as usize]
    }
}

/// Addresses that are kept free.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// First address.
    pub first: u64,
    /// Last address.
    pub last: u64,
    /// As given when reserved.
    pub flags: Flags,
}

/// Anything that covers a range of addresses.
trait Range {
    fn first(&self) -> u64;
    fn last(&self) -> u64;
}

impl Range for Region {
    fn first(&self) -> u64 {
        self.first
    }
    fn last(&self) -> u64 {
        self.last
    }
}

impl Range for Area {
    fn first(&self) -> u64 {
        self.first
    }
    fn last(&self) -> u64 {
        self.last
    }
}

/// Where something is to be attached or reserved.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The address, or where to start searching.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// How to search.
    pub flags: Flags,
    /// log2 of the boundary that a found address lies on.
    pub alignment: u8,
}

/// What a detach did.
#[derive(Clone, Copy, Debug)]
pub struct Detached {
    /// First address that is no longer backed.
    pub first: u64,
    /// Last address that is no longer backed.
    pub last: u64,
    /// The region that it was part of.
    pub region: Region,
    /// The answer's label: [`detach_result`].
    pub result: i64,
    /// How many regions of the same memory there are more now: -1, 0 or 1.
    pub regions_more: i32,
}

/// What lies at an address.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// A region.
    Region(Region),
    /// No region, but an area.
    Area(Area),
}

/// A region map.
#[derive(Debug)]
pub struct RegionMap {
    account: AccountId,
    last_address: u64,
    regions: FrameVec<Region>,
    areas: FrameVec<Area>,
    watcher: Option<Selector>,
    /// Registers of the first thread that failed.
    exception: FrameVec<u64>,
}

impl RegionMap {
    /// An empty map of the addresses from 0 to `last_address`. Page 0 is reserved, so that a null
    /// pointer never points at anything by accident.
    pub fn new(bank: &mut Bank, account: AccountId, last_address: u64) -> Result<Self, ResultCode> {
        let mut map = Self {
            account,
            last_address,
            regions: FrameVec::new(),
            areas: FrameVec::new(),
            watcher: None,
            exception: FrameVec::new(),
        };
        let null = Area {
            first: 0,
            last: PAGE_SIZE - 1,
            flags: Flags::empty(),
        };
        map.areas.push(bank, account, null)?;
        Ok(map)
    }

    /// Attaches a region; `region`'s addresses are set from `place`. Returns the first address.
    pub fn attach(
        &mut self,
        bank: &mut Bank,
        place: Place,
        region: Region,
    ) -> Result<u64, ResultCode> {
        let (first, last) = self.find_place(place)?;
        insert(
            &mut self.regions,
            bank,
            self.account,
            Region {
                first,
                last,
                ..region
            },
        )?;
        Ok(first)
    }

    /// Ends the region at `address`, or with `EXACT` only the part of it within `size` bytes.
    pub fn detach(
        &mut self,
        bank: &mut Bank,
        address: u64,
        size: u64,
        flags: DetachFlags,
    ) -> Result<Detached, ResultCode> {
        let (first, last) = page_range(address, size)?;
        let index = if flags.contains(DetachFlags::OVERLAP) {
            touching(self.regions.as_slice(), first, last).next()
        } else {
            at(self.regions.as_slice(), first)
        };
        let index = index.ok_or(ResultCode::ENOENT)?;
        let has_more = flags.contains(DetachFlags::OVERLAP)
            && touching(self.regions.as_slice(), first, last)
                .nth(1)
                .is_some();
        let again = if has_more { detach_result::AGAIN } else { 0 };
        let region = self.regions.as_slice()[index];
        let (first, last) = if flags.contains(DetachFlags::EXACT) {
            (first.max(region.first), last.min(region.last))
        } else {
            (region.first, region.last)
        };

        let head = (region.first < first).then(|| Region {
            last: first - 1,
            ..region
        });
        let tail = (last < region.last).then(|| Region {
            first: last + 1,
            offset: region.offset + (last + 1 - region.first),
            ..region
        });
        let (result, regions_more) = match (head, tail) {
            (None, None) => {
                self.regions.remove(index);
                (detach_result::DETACHED, -1)
            }
            (Some(kept), None) | (None, Some(kept)) => {
                self.regions.as_mut_slice()[index] = kept;
                (detach_result::KEPT, 0)
            }
            (Some(head), Some(tail)) => {
                self.regions.insert(bank, self.account, index + 1, tail)?;
                self.regions.as_mut_slice()[index] = head;
                (detach_result::SPLIT, 1)
            }
        };
        Ok(Detached {
            first,
            last,
            region,
            result: result | again,
            regions_more,
        })
    }

    /// What lies in `size` bytes from `address` on: the first region, else the first area.
    pub fn find(&self, address: u64, size: u64) -> Result<Found, ResultCode> {
        let (first, last) = page_range(address, size)?;
        let region = touching(self.regions.as_slice(), first, last).next();
        if let Some(index) = region {
            return Ok(Found::Region(self.regions.as_slice()[index]));
        }
        let area = touching(self.areas.as_slice(), first, last).next();
        area.map(|index| Found::Area(self.areas.as_slice()[index]))
            .ok_or(ResultCode::ENOENT)
    }

    /// The region at `address`.
    pub fn region_at(&self, address: u64) -> Option<Region> {
        at(self.regions.as_slice(), address).map(|index| self.regions.as_slice()[index])
    }

    /// The region to answer a page fault from, if the access is one that it allows.
    pub fn region_for(&self, address: u64, access: MemoryRights) -> Result<Region, ResultCode> {
        let region = self.region_at(address).ok_or(ResultCode::ENOMEM)?;
        let unbacked = Flags::KERNEL | Flags::RESERVED;
        if region.flags.intersects(unbacked) || region.memory.is_none() {
            return Err(ResultCode::ENODEV);
        }
        if !region.rights().contains(access) {
            return Err(ResultCode::EACCESS);
        }
        Ok(region)
    }

    /// Reserves addresses; the first one.
    pub fn reserve(&mut self, bank: &mut Bank, place: Place) -> Result<u64, ResultCode> {
        let allowed = Flags::SEARCH_ADDRESS | Flags::KERNEL | Flags::RESERVED;
        if !allowed.contains(place.flags) {
            return Err(ResultCode::EINVAL);
        }
        let (first, last) = self.find_place(place)?;
        let area = Area {
            first,
            last,
            flags: place.flags & KEPT_FLAGS,
        };
        insert(&mut self.areas, bank, self.account, area)?;
        Ok(first)
    }

    /// Ends the area that contains `address`. Regions in it stay.
    pub fn free_area(&mut self, address: u64) -> Result<(), ResultCode> {
        let index = at(self.areas.as_slice(), address).ok_or(ResultCode::ENOENT)?;
        self.areas.remove(index);
        Ok(())
    }

    /// The regions that begin at `start` or above.
    pub fn regions_from(&self, start: u64) -> &[Region] {
        from(self.regions.as_slice(), start)
    }

    /// The areas that begin at `start` or above.
    pub fn areas_from(&self, start: u64) -> &[Area] {
        from(self.areas.as_slice(), start)
    }

    /// Makes `irq` the interrupt to trigger when a thread fails.
    pub fn watch(&mut self, bank: &mut Bank, irq: Selector) -> Result<(), ResultCode> {
        if self.watcher.is_some() {
            return Err(ResultCode::EBUSY);
        }
        // A task often fails because its memory is used up: the room is taken now.
        self.exception.reserve(bank, self.account, FRAME_WORDS)?;
        self.watcher = Some(irq);
        Ok(())
    }

    /// Who watches.
    pub fn watcher(&self) -> Option<Selector> {
        self.watcher
    }

    /// Keeps the registers of a thread that failed, if it is the first and somebody watches.
    pub fn keep_exception(&mut self, bank: &mut Bank, words: &[u64]) -> bool {
        let is_news = self.watcher.is_some() && self.exception.as_slice().is_empty();
        if is_news {
            for word in &words[..words.len().min(FRAME_WORDS)] {
                let is_kept = self.exception.push(bank, self.account, *word);
                debug_assert!(is_kept.is_ok(), "the room was taken before");
            }
        }
        is_news
    }

    /// The registers of the first thread that failed.
    pub fn exception(&self) -> Option<&[u64]> {
        Some(self.exception.as_slice()).filter(|words| !words.is_empty())
    }

    /// Gives the bookkeeping back. The regions must have been released before.
    pub fn destroy(&mut self, bank: &mut Bank) {
        self.exception.clear(bank, self.account);
        self.regions.clear(bank, self.account);
        self.areas.clear(bank, self.account);
    }

    /// The range that `place` asks for, free of regions, and free of areas unless in one.
    fn find_place(&self, place: Place) -> Result<(u64, u64), ResultCode> {
        let is_search = place.flags.contains(Flags::SEARCH_ADDRESS);
        let alignment = u32::from(place.alignment);
        if is_search && !(PAGE_SHIFT..=63).contains(&alignment) {
            return Err(ResultCode::EINVAL);
        }
        let (start, last) = page_range(place.start, place.size)?;
        let length = last - start;
        let area = if place.flags.contains(Flags::IN_AREA) {
            let index = at(self.areas.as_slice(), start).ok_or(ResultCode::EADDRNOTAVAIL)?;
            Some(self.areas.as_slice()[index])
        } else {
            None
        };
        let end = area.map_or(self.last_address, |area| area.last);
        if !is_search {
            let is_free = last <= end && self.obstacle(start, last, area.is_some()).is_none();
            return if is_free {
                Ok((start, last))
            } else {
                Err(ResultCode::EADDRNOTAVAIL)
            };
        }
        let mut candidate = start;
        loop {
            let aligned = align_up(candidate, alignment);
            let fitting = aligned.and_then(|first| Some((first, first.checked_add(length)?)));
            let Some((first, last)) = fitting.filter(|(_, last)| *last <= end) else {
                return Err(ResultCode::EADDRNOTAVAIL);
            };
            match self.obstacle(first, last, area.is_some()) {
                None => return Ok((first, last)),
                Some(u64::MAX) => return Err(ResultCode::EADDRNOTAVAIL),
                Some(obstacle) => candidate = obstacle + 1,
            }
        }
    }

    /// Where the first thing in the way of `[first, last]` ends.
    fn obstacle(&self, first: u64, last: u64, is_in_area: bool) -> Option<u64> {
        let region = touching(self.regions.as_slice(), first, last).next();
        let region = region.map(|index| self.regions.as_slice()[index].last);
        let area = touching(self.areas.as_slice(), first, last)
            .next()
            .filter(|_| !is_in_area);
        region.max(area.map(|index| self.areas.as_slice()[index].last))
    }
}

/// Index of the entry that contains `address`.
fn at<T: Range>(sorted: &[T], address: u64) -> Option<usize> {
    touching(sorted, address, address).next()
}

/// Indices of the entries that `[first, last]` touches.
fn touching<T: Range>(sorted: &[T], first: u64, last: u64) -> core::ops::Range<usize> {
    let begin = sorted.partition_point(|entry| entry.last() < first);
    let end = sorted.partition_point(|entry| entry.first() <= last);
    begin..end.max(begin)
}

/// The entries that begin at `start` or above.
fn from<T: Range>(sorted: &[T], start: u64) -> &[T] {
    &sorted[sorted.partition_point(|entry| entry.first() < start)..]
}

fn insert<T: Range>(
    sorted: &mut FrameVec<T>,
    bank: &mut Bank,
    account: AccountId,
    entry: T,
) -> Result<(), ResultCode> {
    if sorted.as_slice().len() >= MOST_ENTRIES {
        return Err(ResultCode::ENOMEM);
    }
    let index = sorted
        .as_slice()
        .partition_point(|other| other.first() < entry.first());
    sorted.insert(bank, account, index, entry)
}

/// First and last address: the start is cut to a page, the size rounded up to pages.
fn page_range(start: u64, size: u64) -> Result<(u64, u64), ResultCode> {
    let first = start & !(PAGE_SIZE - 1);
    let pages = size
        .checked_next_multiple_of(PAGE_SIZE)
        .filter(|pages| *pages > 0);
    let last = pages.and_then(|pages| first.checked_add(pages - 1));
    last.map(|last| (first, last)).ok_or(ResultCode::EINVAL)
}

fn align_up(address: u64, alignment: u32) -> Option<u64> {
    address.checked_next_multiple_of(1 << alignment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::bank;

    const LAST: u64 = 0x7fff_ffff_ffff;

    fn map(bank: &mut Bank) -> RegionMap {
        RegionMap::new(bank, AccountId::ROOT, LAST).unwrap()
    }

    fn region(flags: u32) -> Region {
        Region {
            first: 0,
            last: 0,
            flags: Flags::from_bits_retain(flags),
            memory: Some(ObjectId::for_test(1)),
            offset: 0x10_0000,
            client_capability: 0x2_2000,
            backing_offset: 0,
            name: Name::new(b"name"),
        }
    }

    fn at_address(start: u64, size: u64) -> Place {
        Place {
            start,
            size,
            flags: Flags::empty(),
            alignment: 12,
        }
    }

    fn search(start: u64, size: u64, alignment: u8) -> Place {
        Place {
            start,
            size,
            flags: Flags::SEARCH_ADDRESS,
            alignment,
        }
    }

    fn attach(map: &mut RegionMap, bank: &mut Bank, place: Place) -> Result<u64, ResultCode> {
        map.attach(bank, place, region(7))
    }

    #[test]
    fn a_search_finds_the_first_gap_on_its_boundary() {
        let bank = &mut bank(64);
        let mut map = map(bank);
        assert_eq!(
            attach(&mut map, bank, at_address(0x10_0000, 0x2000)),
            Ok(0x10_0000)
        );
        assert_eq!(
            attach(&mut map, bank, at_address(0x10_3000, 0x1000)),
            Ok(0x10_3000)
        );
        assert_eq!(
            attach(&mut map, bank, search(0x10_0000, 0x1000, 12)),
            Ok(0x10_2000)
        );
        assert_eq!(
            attach(&mut map, bank, search(0x10_0000, 0x1001, 12)),
            Ok(0x10_4000)
        );
        assert_eq!(attach(&mut map, bank, search(0, 1, 20)), Ok(0x20_0000));
        assert_eq!(
            attach(&mut map, bank, search(0, 1, 12)),
            Ok(0x1000),
            "page 0 stays free"
        );
        let too_large = attach(&mut map, bank, search(0, LAST, 12));
        assert_eq!(too_large, Err(ResultCode::EADDRNOTAVAIL));
    }

    #[test]
    fn absurd_places_are_refused() {
        let bank = &mut bank(64);
        let mut map = map(bank);
        for (place, error) in [
            (at_address(0x1000, 0), ResultCode::EINVAL),
            (at_address(0x1000, u64::MAX), ResultCode::EINVAL),
            (at_address(u64::MAX, 0x2000), ResultCode::EINVAL),
            (at_address(LAST, 0x2000), ResultCode::EADDRNOTAVAIL),
            (at_address(u64::MAX, 1), ResultCode::EADDRNOTAVAIL),
            (at_address(0, 1), ResultCode::EADDRNOTAVAIL),
            (search(0, 1, 11), ResultCode::EINVAL),
            (search(0, 1, 64), ResultCode::EINVAL),
            (search(1, 1, 63), ResultCode::EADDRNOTAVAIL),
            (search(u64::MAX, 1, 12), ResultCode::EADDRNOTAVAIL),
        ] {
            assert_eq!(attach(&mut map, bank, place), Err(error), "{place:?}");
        }
        assert!(map.regions_from(0).is_empty());
    }

    #[test]
    fn regions_never_overlap() {
        let bank = &mut bank(64);
        let mut map = map(bank);
        attach(&mut map, bank, at_address(0x5000, 0x3000)).unwrap();
        for (start, size) in [
            (0x5000, 1),
            (0x7fff, 1),
            (0x4000, 0x1001),
            (0x1000, 0x10000),
        ] {
            let refused = attach(&mut map, bank, at_address(start, size));
            assert_eq!(refused, Err(ResultCode::EADDRNOTAVAIL));
        }
        assert_eq!(
            attach(&mut map, bank, at_address(0x4000, 0x1000)),
            Ok(0x4000)
        );
        assert_eq!(
            attach(&mut map, bank, at_address(0x8000, 0x1000)),
            Ok(0x8000)
        );
    }

    #[test]
    fn areas_keep_others_out_and_let_their_own_in() {
        let bank = &mut bank(64);
        let mut map = map(bank);
        let area = map.reserve(bank, search(0x10_0000, 0x4000, 14)).unwrap();
        assert_eq!(area, 0x10_0000);
        let in_area = |mut place: Place| {
            place.flags |= Flags::IN_AREA;
            place
        };
        let refused = Err(ResultCode::EADDRNOTAVAIL);
        assert_eq!(
            attach(&mut map, bank, at_address(0x10_1000, 0x1000)),
            refused
        );
        assert_eq!(
            attach(&mut map, bank, search(0x10_0000, 0x1000, 12)),
            Ok(0x10_4000)
        );
        let inside = attach(&mut map, bank, in_area(search(0x10_1000, 0x2000, 12)));
        assert_eq!(inside, Ok(0x10_1000));
        assert_eq!(
            attach(&mut map, bank, in_area(search(0x10_1000, 0x2000, 12))),
            refused
        );
        assert_eq!(
            attach(&mut map, bank, in_area(at_address(0x10_3000, 0x2000))),
            refused
        );
        assert_eq!(
            attach(&mut map, bank, in_area(at_address(0x20_0000, 0x1000))),
            refused
        );
        assert!(matches!(map.find(0x10_3000, 1), Ok(Found::Area(found)) if found.first == area));
        map.free_area(0x10_3fff).unwrap();
        assert_eq!(map.free_area(0x10_3fff), Err(ResultCode::ENOENT));
        assert_eq!(
            attach(&mut map, bank, at_address(0x10_0000, 0x1000)),
            Ok(0x10_0000)
        );
    }

    #[test]
    fn detaching_part_of_a_region_keeps_the_rest() {
        let bank = &mut bank(64);
        let mut map = map(bank);
        attach(&mut map, bank, at_address(0x10_0000, 0x5000)).unwrap();
        let middle = map
            .detach(bank, 0x10_2000, 0x1000, DetachFlags::EXACT)
            .unwrap();
        assert_eq!((middle.first, middle.last), (0x10_2000, 0x10_2fff));
        assert_eq!(
            (middle.result, middle.regions_more),
            (detach_result::SPLIT, 1)
        );
        let tail = map.region_at(0x10_3000).unwrap();
        assert_eq!((tail.first, tail.offset), (0x10_3000, 0x10_3000));
        let end = map
            .detach(bank, 0x10_4000, 0x9000, DetachFlags::EXACT)
            .unwrap();
        assert_eq!((end.first, end.last), (0x10_4000, 0x10_4fff));
        assert_eq!((end.result, end.regions_more), (detach_result::KEPT, 0));
        let whole = map
            .detach(bank, 0x10_1000, 1, DetachFlags::empty())
            .unwrap();
        assert_eq!((whole.first, whole.last), (0x10_0000, 0x10_1fff));
        assert_eq!(
            (whole.result, whole.regions_more),
            (detach_result::DETACHED, -1)
        );
        assert!(map.detach(bank, 0x10_0000, 1, DetachFlags::EXACT).is_err());
    }

    #[test]
    fn an_overlapping_detach_says_when_there_is_more() {
        let bank = &mut bank(64);
        let mut map = map(bank);
        attach(&mut map, bank, at_address(0x10_0000, 0x1000)).unwrap();
        attach(&mut map, bank, at_address(0x10_4000, 0x1000)).unwrap();
        let flags = DetachFlags::EXACT | DetachFlags::OVERLAP;
        let first = map.detach(bank, 0xf_0000, 0x10_0000, flags).unwrap();
        assert_eq!(first.first, 0x10_0000);
        assert_eq!(first.result, detach_result::DETACHED | detach_result::AGAIN);
        let second = map.detach(bank, 0xf_0000, 0x10_0000, flags).unwrap();
        assert_eq!(
            (second.first, second.result),
            (0x10_4000, detach_result::DETACHED)
        );
        assert_eq!(
            map.detach(bank, 0xf_0000, 0x10_0000, flags).unwrap_err(),
            ResultCode::ENOENT
        );
    }

    #[test]
    fn faults_are_answered_within_the_rights_of_the_region() {
        let bank = &mut bank(64);
        let mut map = map(bank);
        let place = |start| at_address(start, 0x1000);
        map.attach(bank, place(0x1000), region(MemoryRights::RX.bits().into()))
            .unwrap();
        map.attach(bank, place(0x2000), region(MemoryRights::RW.bits().into()))
            .unwrap();
        let reserved = Flags::RESERVED.bits() | u32::from(MemoryRights::RW.bits());
        map.attach(bank, place(0x3000), region(reserved)).unwrap();
        let error = |address, access| map.region_for(address, access).unwrap_err();
        assert!(map.region_for(0x1fff, MemoryRights::EXECUTE).is_ok());
        assert_eq!(error(0x1000, MemoryRights::WRITE), ResultCode::EACCESS);
        assert_eq!(error(0x2000, MemoryRights::EXECUTE), ResultCode::EACCESS);
        assert_eq!(error(0x3000, MemoryRights::READ), ResultCode::ENODEV);
        assert_eq!(error(0x4000, MemoryRights::READ), ResultCode::ENOMEM);
    }

    #[test]
    fn lists_start_where_asked() {
        let bank = &mut bank(64);
        let mut map = map(bank);
        for start in [0x3000, 0x1000, 0x8000] {
            attach(&mut map, bank, at_address(start, 0x1000)).unwrap();
        }
        let firsts: Vec<_> = map
            .regions_from(0x1001)
            .iter()
            .map(|region| region.first)
            .collect();
        assert_eq!(firsts, [0x3000, 0x8000]);
        assert_eq!(map.areas_from(0).len(), 1);
        assert!(map.areas_from(u64::MAX).is_empty());
    }
}
