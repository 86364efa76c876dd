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

mod region;
mod rescue;

use crate::bank::{AccountId, Bank};
use crate::frames::{PAGE_SHIFT, PAGE_SIZE};
use crate::memory::FrameVec;

pub use region::{KEPT_FLAGS, NAME_MAX, Name, Region};
use rescue::RescueJumps;

/// Regions and areas that one map can have, so that no search takes long.
const MOST_ENTRIES: usize = 4096;

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

/// A region map.
#[derive(Debug)]
pub struct RegionMap {
    last_address: u64,
    regions: FrameVec<Region>,
    areas: FrameVec<Region>,
    rescue_jumps: RescueJumps,
    watcher: Option<Selector>,
    /// Registers of the first thread that failed.
    exception: FrameVec<u64>,
}

impl RegionMap {
    /// An empty map of the addresses from 0 to `last_address`. Page 0 is reserved, so that a null
    /// pointer never points at anything by accident.
    pub fn new(bank: &mut Bank, account: AccountId, last_address: u64) -> Result<Self, ResultCode> {
        let mut map = Self {
            last_address,
            regions: FrameVec::new(account),
            areas: FrameVec::new(account),
            rescue_jumps: RescueJumps::new(account),
            watcher: None,
            exception: FrameVec::new(account),
        };
        let null = Region::area(0, PAGE_SIZE - 1, Flags::empty());
        map.areas.push(bank, null)?;
        Ok(map)
    }

    /// Attaches a region; `region`'s addresses are set from `place`. Returns the first address.
    ///
    /// # Errors
    /// EINVAL or EADDRNOTAVAIL for the place, ERANGE if the offsets of the region wrap around.
    pub fn attach(
        &mut self,
        bank: &mut Bank,
        place: Place,
        region: Region,
    ) -> Result<u64, ResultCode> {
        let (first, last) = self.find_place(place)?;
        // Parts of the region that are kept on their own begin at larger offsets.
        if region.offset.checked_add(last - first).is_none() {
            return Err(ResultCode::ERANGE);
        }
        let region = Region {
            first,
            last,
            ..region
        };
        insert(&mut self.regions, bank, region)?;
        Ok(first)
    }

    /// Ends the region at `address`. With `OVERLAP` it is the first one within `size` bytes, with `EXACT` only the
    /// part of it there; the result says whether there are more.
    pub fn detach(
        &mut self,
        bank: &mut Bank,
        address: u64,
        size: u64,
        flags: DetachFlags,
    ) -> Result<Detached, ResultCode> {
        let (first, last) = page_range(address, size)?;
        let end = if flags.is_empty() { first } else { last };
        let mut touched = touching(&self.regions, first, end);
        let index = touched.next().ok_or(ResultCode::ENOENT)?;
        let again = match touched.is_empty() {
            true => 0,
            false => detach_result::AGAIN,
        };
        let region = self.regions[index];
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
            backing_offset: region.backing_offset.wrapping_add(last + 1 - region.first),
            ..region
        });
        let (result, regions_more) = match (head, tail) {
            (None, None) => {
                self.regions.remove(index);
                (detach_result::DETACHED, -1)
            }
            (Some(kept), None) | (None, Some(kept)) => {
                self.regions[index] = kept;
                (detach_result::KEPT, 0)
            }
            (Some(head), Some(tail)) => {
                self.regions.insert(bank, index + 1, tail)?;
                self.regions[index] = head;
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
    pub fn find(&self, address: u64, size: u64) -> Result<Region, ResultCode> {
        let (first, last) = page_range(address, size)?;
        if let Some(index) = touching(&self.regions, first, last).next() {
            return Ok(self.regions[index]);
        }
        let area = touching(&self.areas, first, last).next();
        let area = self.areas[area.ok_or(ResultCode::ENOENT)?];
        let flags = area.flags | Flags::IN_AREA;
        Ok(Region { flags, ..area })
    }

    /// The region at `address`.
    pub fn region_at(&self, address: u64) -> Option<Region> {
        at(&self.regions, address).map(|index| self.regions[index])
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
        let area = Region::area(first, last, place.flags & KEPT_FLAGS);
        insert(&mut self.areas, bank, area)?;
        Ok(first)
    }

    /// Ends the area that contains `address`. Regions in it stay.
    pub fn free_area(&mut self, address: u64) -> Result<(), ResultCode> {
        let index = at(&self.areas, address).ok_or(ResultCode::ENOENT)?;
        self.areas.remove(index);
        Ok(())
    }

    /// The regions that begin at `start` or above.
    pub fn regions_from(&self, start: u64) -> &[Region] {
        from(&self.regions, start)
    }

    /// The areas that begin at `start` or above.
    pub fn areas_from(&self, start: u64) -> &[Region] {
        from(&self.areas, start)
    }

    /// Lets threads that fail at an instruction in `range` (its end is not in it) continue at `target`.
    ///
    /// # Errors
    /// EINVAL if there is none, EEXIST if some have such a target already, ENOMEM.
    pub fn add_rescue_jump(
        &mut self,
        bank: &mut Bank,
        range: (u64, u64),
        target: u64,
    ) -> Result<(), ResultCode> {
        self.rescue_jumps.add(bank, range, target)
    }

    /// Removes the rescue jump for the instruction at `address`. Error: ENOENT.
    pub fn remove_rescue_jump(&mut self, address: u64) -> Result<(), ResultCode> {
        self.rescue_jumps.remove(address)
    }

    /// Where a thread that failed at `address` continues.
    pub fn rescue_from(&self, address: u64) -> Option<u64> {
        self.rescue_jumps.target(address)
    }

    /// Makes `irq` the interrupt to trigger when a thread fails.
    pub fn watch(&mut self, bank: &mut Bank, irq: Selector) -> Result<(), ResultCode> {
        if self.watcher.is_some() {
            return Err(ResultCode::EBUSY);
        }
        // A task often fails because its memory is used up: the room is taken now.
        self.exception.reserve(bank, FRAME_WORDS)?;
        bank.add_capability(self.regions.account())?;
        self.watcher = Some(irq);
        Ok(())
    }

    /// Who watches.
    pub fn watcher(&self) -> Option<Selector> {
        self.watcher
    }

    /// Keeps the registers of a thread that failed, if it is the first and somebody watches.
    pub fn keep_exception(&mut self, words: &[u64]) -> bool {
        let is_news = self.watcher.is_some() && self.exception.is_empty();
        if is_news {
            for word in &words[..words.len().min(FRAME_WORDS)] {
                self.exception.push_within_reserve(*word);
            }
        }
        is_news
    }

    /// The registers of the first thread that failed.
    pub fn exception(&self) -> Option<&[u64]> {
        Some(&*self.exception).filter(|words| !words.is_empty())
    }

    /// Gives the bookkeeping back. Regions and watcher must have been released before.
    pub fn destroy(&mut self, bank: &mut Bank) {
        if self.watcher.take().is_some() {
            bank.remove_capability(self.regions.account());
        }
        self.exception.clear(bank);
        self.regions.clear(bank);
        self.areas.clear(bank);
        self.rescue_jumps.clear(bank);
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
            let index = at(&self.areas, start).ok_or(ResultCode::EADDRNOTAVAIL)?;
            Some(self.areas[index])
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
        let end = |ranges: &[Region]| Some(ranges[touching(ranges, first, last).next()?].last);
        let areas: &[Region] = if is_in_area { &[] } else { &self.areas };
        end(&self.regions).max(end(areas))
    }
}

/// Index of the range that contains `address`.
fn at(sorted: &[Region], address: u64) -> Option<usize> {
    touching(sorted, address, address).next()
}

/// Indices of the ranges that `[first, last]` touches.
fn touching(sorted: &[Region], first: u64, last: u64) -> core::ops::Range<usize> {
    let begin = sorted.partition_point(|range| range.last < first);
    let end = sorted.partition_point(|range| range.first <= last);
    begin..end.max(begin)
}

/// The ranges that begin at `start` or above.
fn from(sorted: &[Region], start: u64) -> &[Region] {
    &sorted[sorted.partition_point(|range| range.first < start)..]
}

fn insert(sorted: &mut FrameVec<Region>, bank: &mut Bank, range: Region) -> Result<(), ResultCode> {
    if sorted.len() >= MOST_ENTRIES {
        return Err(ResultCode::ENOMEM);
    }
    let index = sorted.partition_point(|other| other.first < range.first);
    sorted.insert(bank, index, range)
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
mod tests;
