//! Region map: what is attached where in a task's memory. The pager of its threads.

use l4_abi::capability::Selector;
use l4_abi::error::ResultCode;
use l4_abi::protocol::label;
use l4_ipc::{Bytes, Label, Outcome, Output, Pages, Reader, Result, Window, Writer};
use l4_sys::utcb::MESSAGE_BYTES;
use l4_sys::{Cap, Passed};

use crate::{Dataspace, PAGE_ORDER};

pub use l4_abi::protocol::region_map::{DetachFlags, Flags, RegionEntry, detach_result};

l4_ipc::interface! {
    /// What is attached where in a task's memory. Addresses and sizes are in bytes; starts are
    /// rounded down, sizes up to pages.
    pub interface RegionMap, served by RegionMapServer {
        protocol: label::REGION_MAP,
        opcode: i32,

        /// Attaches `size` bytes of `dataspace` from `offset` on, or without one reserves them;
        /// [`RegionMap::attach_anywhere`] is the common case.
        ///
        /// `align` is the binary logarithm of the alignment when searching; `client` a capability
        /// word for the region map's owner to see again in [`find`](Self::find) and
        /// [`detach`](Self::detach); `name` (with a NUL) and `backing_offset` are for debuggers.
        ///
        /// Errors: EINVAL for size 0 or wrap-around, EADDRNOTAVAIL if there is no room.
        fn attach(
            start: u64,
            size: u64,
            flags: u32,
            offset: u64,
            align: u8,
            client: u64,
            name: [u8],
            backing_offset: u64,
            dataspace: Option<Cap<Dataspace>>
        ) -> u64 = 0;
        /// Detaches what is attached at `start`; see [`detach_result`] for the label.
        /// The caller unmaps it, unless bit UNMAPPED is set. Error: ENOENT.
        fn detach(start: u64, size: u64, flags: u32) -> (Label, Detached) = 1;
        /// The region, or area, that overlaps `size` bytes from `address` on. Error: ENOENT.
        fn find(address: u64, size: u64) -> Region = 2;
        /// Reserves addresses, in which only attaches with IN_AREA take place; the start.
        fn reserve_area(start: u64, size: u64, flags: u32, align: u8) -> u64 = 3;
        /// Frees the area at `address`. Error: ENOENT.
        fn free_area(address: u64) = 4;
        /// The regions from `start` on, as many as fit.
        fn get_regions(start: u64) -> RegionList = 5;
        /// The areas from `start` on, as many as fit.
        fn get_areas(start: u64) -> RegionList = 6;
        /// Name and backing offset of the region at `address`.
        fn get_info(address: u64) -> (Bytes, u64) = 7;
        /// Lets a thread that fails at an instruction from `first` up to `end`, which is not one of
        /// them, continue at `target`. Errors: EINVAL if there are none, EEXIST, ENOMEM.
        fn add_rescue_jump(first: u64, end: u64, target: u64) = 8;
        /// Removes the one for the instruction at `address`. Error: ENOENT.
        fn remove_rescue_jump(address: u64) = 9;
        /// Maps the pages between `min` and `max` with `rights`.
        fn page_in(min: u64, max: u64, rights: u16, window: Window) -> (u64, Pages) = 10;
    }
}

l4_ipc::record! {
    /// A region that [`RegionMap::detach`] removed.
    pub struct Detached {
        /// First byte of the removed range.
        pub start: u64,
        /// Its size.
        pub size: u64,
        /// The `client` word that it was attached with.
        pub client: u64,
    }
}

l4_ipc::record! {
    /// What [`RegionMap::find`] found.
    pub struct Region {
        /// First byte.
        pub start: u64,
        /// Size.
        pub size: u64,
        /// [`Flags`]; IN_AREA if only an area was found.
        pub flags: u32,
        /// Offset of the first byte in the dataspace.
        pub offset: u64,
        /// The `client` word that it was attached with.
        pub client: u64,
    }
}

/// Where regions that may lie anywhere are looked for first: above image, stack and heap.
pub const MAPPINGS_START: u64 = 0x10_0000_0000;

impl RegionMap {
    /// Attaches `size` bytes of a dataspace from `offset` on wherever there is room; the address.
    ///
    /// `flags` are the rights and the caching; `dataspace` must have the W right to be writable.
    pub fn attach_anywhere(
        &self,
        dataspace: Passed<Dataspace>,
        offset: u64,
        size: u64,
        flags: Flags,
    ) -> Result<u64> {
        let flags = flags | Flags::SEARCH_ADDRESS;
        self.attach_region(MAPPINGS_START, dataspace, offset, size, flags, PAGE_ORDER)
    }

    /// As [`attach_anywhere`](Self::attach_anywhere), at a multiple of 2^`order` bytes.
    pub fn attach_aligned(
        &self,
        dataspace: Passed<Dataspace>,
        size: u64,
        flags: Flags,
        order: u32,
    ) -> Result<u64> {
        let flags = flags | Flags::SEARCH_ADDRESS;
        self.attach_region(MAPPINGS_START, dataspace, 0, size, flags, order)
    }

    /// Attaches `size` bytes of a dataspace from `offset` on at `start`. Error: EADDRNOTAVAIL.
    pub fn attach_at(
        &self,
        start: u64,
        dataspace: Passed<Dataspace>,
        offset: u64,
        size: u64,
        flags: Flags,
    ) -> Result<u64> {
        self.attach_region(start, dataspace, offset, size, flags, PAGE_ORDER)
    }

    fn attach_region(
        &self,
        start: u64,
        dataspace: Passed<Dataspace>,
        offset: u64,
        size: u64,
        flags: Flags,
        order: u32,
    ) -> Result<u64> {
        let align = order as u8;
        let client = Selector::INVALID.raw();
        self.attach(
            start,
            size,
            flags.bits(),
            offset,
            align,
            client,
            &[],
            0,
            Some(dataspace),
        )
    }

    /// Detaches exactly one region or a part of one.
    pub fn detach_range(&self, start: u64, size: u64) -> Result<Detached> {
        let (_, detached) = self.detach(start, size, DetachFlags::EXACT.bits())?;
        Ok(detached)
    }
}

/// Regions that fit into one answer.
const MAX_REGIONS: usize = MESSAGE_BYTES / size_of::<RegionEntry>();

/// An answer of [`RegionMap::get_regions`]: the label is the count.
#[derive(Clone, Debug, Default)]
pub struct RegionList {
    count: usize,
    entries: [RegionEntry; MAX_REGIONS],
}

impl RegionList {
    /// Adds a region; whether there was room.
    pub fn push(&mut self, entry: RegionEntry) -> bool {
        match self.entries.get_mut(self.count) {
            Some(place) => {
                *place = entry;
                self.count += 1;
                true
            }
            None => false,
        }
    }

    /// The regions, by address.
    pub fn entries(&self) -> &[RegionEntry] {
        &self.entries[..self.count]
    }
}

impl Output for RegionList {
    type Given = RegionList;
    type Prepared = ();
    type Taken = RegionList;

    fn write(given: RegionList, writer: &mut Writer) -> Outcome<()> {
        for entry in given.entries() {
            writer.scalar(entry.start)?;
            writer.scalar(entry.last)?;
            writer.scalar(entry.flags)?;
            writer.align(align_of::<RegionEntry>());
        }
        writer.set_label(given.count as i64);
        Ok(())
    }

    fn read((): (), reader: &mut Reader) -> Outcome<RegionList> {
        let mut list = RegionList::default();
        for _ in 0..reader.tag().label() {
            let (start, last, flags) = (reader.scalar()?, reader.scalar()?, reader.scalar()?);
            reader.align(align_of::<RegionEntry>());
            if !list.push(RegionEntry {
                start,
                last,
                flags,
                ..RegionEntry::default()
            }) {
                return Err(ResultCode::EMSGTOOLONG);
            }
        }
        Ok(list)
    }
}
