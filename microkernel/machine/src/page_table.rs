//! Page tables: walked by software here, by hardware on behalf of user mode.
//!
//! The walk is written once; the architecture's [`Format`] knows what the bits mean. All formats
//! have frames of 4 KiB and 9 bits a level; a level is named by its leaves: level 0 maps 4 KiB,
//! level 1 maps 2 MiB, and levels 2 and 3 have tables only.
//!
//! Beside each entry that can be a leaf there is a link to a value of the kernel's choice (the
//! mapping node): a table of such entries is followed in memory by as many links. So one walk
//! finds both. The link means something only while the entry is a leaf.
//!
//! Entries are atomic: hardware sets accessed and dirty bits at any time. Changes of the tree's
//! shape are serialised by the kernel's locks.

mod entry;

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use l4_abi::rights::MemoryRights;

use crate::address::PhysicalAddress;
use crate::arch::entry_format::Format;
use crate::arch::paging;
use crate::handle::{Handle, Link};
use crate::memory::{FRAME_ORDER, FRAME_SIZE, Storage, Window};

pub use entry::{
    Access, Attributes, Cache, Content, ENTRIES, Entry, HIGHEST_LEAF, INDEX_BITS, Leaf, Level,
    order_of, size_of_page,
};

/// A page table for one address space, with a link to an `N` beside each leaf.
pub struct PageTable<N> {
    format: Format,
    window: Window,
    root: *mut Entry,
    /// Selects the part of the root that belongs to the user.
    root_mask: u64,
    /// The lowest table that was walked to last, and which 2 MiB it maps: pages are mapped next
    /// to each other mostly. Guarded by the kernel's locks, as the shape of the tree.
    recent_table: AtomicPtr<Entry>,
    recent_region: AtomicU64,
    /// Below this address no tables are left to be taken away.
    taken: AtomicU64,
    links: core::marker::PhantomData<Link<N>>,
}

/// No address is in it.
const NO_REGION: u64 = u64::MAX;

// SAFETY: it owns the tables; entries and links are atomic.
unsafe impl<N: Send + Sync> Send for PageTable<N> {}
// SAFETY: likewise.
unsafe impl<N: Send + Sync> Sync for PageTable<N> {}

/// Where a walk ended: an entry, its level, and the link beside it.
pub struct Slot<'a, N> {
    table: &'a PageTable<N>,
    entry: &'a Entry,
    level: Level,
}

/// What [`PageTable::next_leaf`] came to.
pub enum Next<'a, N> {
    /// A leaf, and the address where it starts.
    Leaf(u64, Leaf, Slot<'a, N>),
    /// No leaf before this address; go on from there.
    Continue(u64),
    /// No leaf up to the end.
    End,
}

impl<N> PageTable<N> {
    /// Bytes of storage for a root table.
    pub fn root_size(format: &Format) -> usize {
        let entries = format.root_entries() * size_of::<Entry>();
        if format.root_level() <= HIGHEST_LEAF {
            2 * entries
        } else {
            entries
        }
    }

    /// Bytes of storage for a table whose entries have `level`.
    pub const fn table_size(level: Level) -> usize {
        if level <= HIGHEST_LEAF {
            2 * FRAME_SIZE
        } else {
            FRAME_SIZE
        }
    }

    /// An empty page table. `storage` has the [`PageTable::root_size`]; `prepare` may fill in
    /// the part of the root table that is not the user's.
    ///
    /// # Panics
    /// If the storage has another size or is not aligned to it.
    pub fn new(
        format: Format,
        window: Window,
        mut storage: Storage,
        prepare: impl FnOnce(&mut [u64]),
    ) -> Self {
        let size = Self::root_size(&format);
        assert!(storage.size() == size && storage.address().is_multiple_of(size));
        storage.zero();
        let root = storage.into_raw().0;
        // SAFETY: the storage is ours and large enough.
        prepare(unsafe {
            core::slice::from_raw_parts_mut(root.cast().as_ptr(), format.root_entries())
        });
        let user_entries = 1 << (format.address_bits() - order_of(format.root_level()));
        assert!(user_entries <= format.root_entries());
        Self {
            format,
            window,
            root: root.cast().as_ptr(),
            root_mask: user_entries as u64 - 1,
            recent_table: AtomicPtr::new(ptr::null_mut()),
            recent_region: AtomicU64::new(NO_REGION),
            taken: AtomicU64::new(0),
            links: core::marker::PhantomData,
        }
    }

    /// The storage of the root table, when all tables below are gone.
    pub fn into_storage(self) -> Storage {
        // SAFETY: it is what `new` got; not null.
        unsafe {
            let start = ptr::NonNull::new_unchecked(self.root.cast());
            Storage::from_raw(start, Self::root_size(&self.format))
        }
    }

    /// The format.
    #[inline]
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// What hardware walks.
    pub fn root(&self) -> PhysicalAddress {
        self.window.physical(self.root.addr())
    }

    /// The entry for `address` in `level`, or the one further up where the walk ends because it
    /// is no table. Of the address only the bits below [`Format::address_bits`] count.
    #[inline(always)]
    pub fn walk(&self, address: u64, level: Level) -> Slot<'_, N> {
        let mut at = self.format.root_level();
        let order = order_of(at);
        let mut table = self.root;
        let mut index = (address >> order) & self.root_mask;
        // What is left of the address, from the highest bit on.
        let mut rest = address << (u64::BITS - order);
        loop {
            // SAFETY: the root has more entries than `root_mask`, other tables have `ENTRIES`;
            // tables stay as long as the entries that refer to them.
            let entry = unsafe { &*table.add(index as usize) };
            if at > level
                && let Some(next) = self.format.next_table(at, entry.0.load(Ordering::Relaxed))
            {
                at -= 1;
                table = self.window.pointer(next).cast();
                index = rest >> (u64::BITS - INDEX_BITS);
                rest <<= INDEX_BITS;
                continue;
            }
            return Slot {
                table: self,
                entry,
                level: at,
            };
        }
    }

    /// As [`PageTable::walk`] to the lowest level, for an address that is not beyond the end. The
    /// caller has the lock under which tables come and go.
    #[inline(always)]
    pub fn walk_to_page(&self, address: u64) -> Slot<'_, N> {
        let (entry, level) = if self.recent_region.load(Ordering::Acquire) == address >> order_of(1)
        {
            let table = self.recent_table.load(Ordering::Relaxed);
            // SAFETY: a table of `ENTRIES`, forgotten before it goes.
            (unsafe { &*table.add(index_in_lowest(address)) }, 0)
        } else {
            self.walk_and_remember(address)
        };
        Slot {
            table: self,
            entry,
            level,
        }
    }

    #[inline(never)]
    fn walk_and_remember(&self, address: u64) -> (&Entry, Level) {
        let slot = self.walk(address, 0);
        if slot.level == 0 {
            let first = ptr::from_ref(slot.entry).wrapping_sub(index_in_lowest(address));
            self.recent_table.store(first.cast_mut(), Ordering::Relaxed);
            // Release: whoever sees the region sees the table.
            let region = address >> order_of(1);
            self.recent_region.store(region, Ordering::Release);
        }
        (slot.entry, slot.level)
    }

    /// Looks for the first leaf that has an address between `from` and `last`, as far as the end
    /// of the lowest table at `from`: at most [`ENTRIES`] entries, or the root.
    #[inline(always)]
    pub fn next_leaf(&self, from: u64, last: u64) -> Next<'_, N> {
        let last = last.min((1 << self.format.address_bits()) - 1);
        if from > last {
            return Next::End;
        }
        let slot = self.walk(from, 0);
        let size = size_of_page(slot.level);
        let address = from & !(size - 1);
        match slot.content() {
            Content::Leaf(leaf) => Next::Leaf(address, leaf, slot),
            _ => self.next_leaf_after(slot, address, from, last),
        }
    }

    /// Looks on from an empty entry, in the same table.
    #[inline(never)]
    fn next_leaf_after<'a>(
        &'a self,
        slot: Slot<'a, N>,
        mut address: u64,
        from: u64,
        last: u64,
    ) -> Next<'a, N> {
        let size = size_of_page(slot.level);
        // Addresses within one table, or within the root.
        let bits = if slot.level == self.format.root_level() {
            self.format.address_bits()
        } else {
            order_of(slot.level + 1)
        };
        let end = last.min(from | ((1 << bits) - 1));
        let count = ((end - address) >> order_of(slot.level)) as usize + 1;
        // SAFETY: the addresses up to `end` are inside the table, and the
        // entries with them.
        let entries = unsafe { core::slice::from_raw_parts(slot.entry, count) };
        let Some(index) = first_occupied(entries) else {
            return if end == last {
                Next::End
            } else {
                Next::Continue(end + 1)
            };
        };
        address += index as u64 * size;
        let entry = &entries[index];
        let slot = Slot { entry, ..slot };
        match slot.content() {
            Content::Leaf(leaf) => Next::Leaf(address, leaf, slot),
            _ => Next::Continue(address),
        }
    }

    /// Takes a table away that has no others in it, from a page table without leaves that no CPU
    /// uses any more. `None` if there are no tables left but the root.
    pub fn take_table(&self) -> Option<Storage> {
        let mut level = self.format.root_level();
        // SAFETY: the root has more entries than `root_mask`.
        let mut entries =
            unsafe { core::slice::from_raw_parts(self.root, self.root_mask as usize + 1) };
        let (mut start, taken) = (0, self.taken.load(Ordering::Relaxed));
        let mut found = None;
        // In a table of level 0 could only be leaves.
        while level > 0 {
            let skipped = (taken.saturating_sub(start) >> order_of(level)) as usize;
            let Some(index) = first_occupied(&entries[skipped..]) else {
                break;
            };
            let (table, entry) = (self, &entries[skipped + index]);
            let Some(next) = (self.format).next_table(level, entry.0.load(Ordering::Relaxed))
            else {
                debug_assert!(false, "a page was left");
                break;
            };
            found = Some(Slot {
                table,
                entry,
                level,
            });
            start += (skipped + index) as u64 * size_of_page(level);
            // SAFETY: tables have `ENTRIES`, and stay as long as the entries that refer to them.
            entries =
                unsafe { core::slice::from_raw_parts(self.window.pointer(next).cast(), ENTRIES) };
            level -= 1;
        }
        debug_assert!(first_occupied(entries).is_none(), "a page was left");
        self.taken.store(start, Ordering::Relaxed);
        found?.detach_table()
    }
}

/// The place of an address in a table of level 0.
#[inline]
fn index_in_lowest(address: u64) -> usize {
    (address >> FRAME_ORDER) as usize % ENTRIES
}

/// The first entry that is not empty. Tables are mostly empty, so they are
/// looked through by groups.
fn first_occupied(entries: &[Entry]) -> Option<usize> {
    const GROUP: usize = 32;
    let load = |entry: &Entry| entry.0.load(Ordering::Relaxed);
    let is_empty = |group: &&[Entry]| group.iter().fold(0, |all, entry| all | load(entry)) == 0;
    let skipped = entries.chunks_exact(GROUP).take_while(is_empty).count() * GROUP;
    let rest = entries[skipped..]
        .iter()
        .position(|entry| load(entry) != 0)?;
    Some(skipped + rest)
}

impl<'a, N> Slot<'a, N> {
    /// The level of the entry.
    #[inline]
    pub fn level(&self) -> Level {
        self.level
    }

    /// What the entry says.
    #[inline]
    pub fn content(&self) -> Content {
        self.entry.content(&self.table.format, self.level)
    }

    /// A handle to the entry, good while the entry's table is there.
    #[inline]
    pub fn entry(&self) -> Handle<Entry> {
        Handle::to_part(self.entry)
    }

    #[inline]
    fn link(&self) -> &'a Link<N> {
        assert!(self.level <= HIGHEST_LEAF);
        let format = &self.table.format;
        let table_size = if self.level == format.root_level() {
            format.root_entries() * size_of::<Entry>()
        } else {
            FRAME_SIZE
        };
        // SAFETY: tables of such levels have as many links behind their entries.
        unsafe { &*ptr::from_ref(self.entry).byte_add(table_size).cast() }
    }

    /// What is linked to the leaf here.
    #[inline]
    pub fn linked(&self) -> Option<Handle<N>> {
        self.link().get()
    }

    /// Maps a page here, in place of nothing or of another page.
    ///
    /// # Panics
    /// If there is a table here, or pages of this size do not exist.
    #[inline]
    pub fn set_leaf(&self, leaf: Leaf, linked: Option<Handle<N>>) {
        self.set_entry(self.table.format.leaf(self.level, leaf), linked);
    }

    /// The same with `memory`, which is that of the leaf at `source` or a part of it, as that leaf
    /// is, but with no more than `rights`.
    ///
    /// # Panics
    /// If there is a table here, or pages of this size do not exist.
    #[inline(always)]
    pub fn set_part(
        &self,
        source: &Self,
        memory: PhysicalAddress,
        rights: MemoryRights,
        linked: Option<Handle<N>>,
    ) {
        let leaf = source.entry.0.load(Ordering::Relaxed);
        let leaf = source.table.format.plain(leaf);
        let part = self.table.format.part(leaf, self.level, memory, rights);
        self.set_entry(part, linked);
    }

    #[inline(always)]
    fn set_entry(&self, entry: u64, linked: Option<Handle<N>>) {
        let format = &self.table.format;
        let before = self.entry.0.load(Ordering::Relaxed);
        assert!(self.level <= HIGHEST_LEAF && format.next_table(self.level, before).is_none());
        self.link().set(linked);
        // Release: whoever sees the leaf sees the link.
        self.entry.0.store(entry, Ordering::Release);
        paging::leaf_written();
    }

    /// Puts an empty table here, and gives its entry for `address`. The storage has the
    /// [`PageTable::table_size`] of the level below.
    ///
    /// # Panics
    /// If the entry is not empty or the storage has another size.
    pub fn attach_table(self, mut storage: Storage, address: u64) -> Slot<'a, N> {
        let level = self
            .level
            .checked_sub(1)
            .expect("tables have levels above 0");
        assert!(
            storage.size() == PageTable::<N>::table_size(level)
                && storage.address().is_multiple_of(FRAME_SIZE)
                && self.entry.0.load(Ordering::Relaxed) == 0
        );
        storage.zero();
        let physical = self.table.window.physical(storage.address());
        let table: *const Entry = storage.into_raw().0.as_ptr().cast();
        // Release: hardware and other CPUs see the zeros before the table.
        self.entry
            .0
            .store(self.table.format.table(physical), Ordering::Release);
        let index = (address >> order_of(level)) as usize % ENTRIES;
        // SAFETY: the storage has `ENTRIES` entries.
        let entry = unsafe { &*table.add(index) };
        Slot {
            table: self.table,
            entry,
            level,
        }
    }

    /// Takes the table away that is here, with all that is in it; `None` if there is none.
    /// Nothing refers to the table's entries any more, and no CPU walks it: the caller has
    /// flushed what was below this entry, or no CPU uses the page table.
    pub fn detach_table(&self) -> Option<Storage> {
        let format = &self.table.format;
        let table = format.next_table(self.level, self.entry.0.load(Ordering::Relaxed))?;
        self.entry.0.store(0, Ordering::Relaxed);
        self.table.recent_region.store(NO_REGION, Ordering::Relaxed);
        let start = ptr::NonNull::new(self.table.window.pointer(table))?;
        let size = PageTable::<N>::table_size(self.level - 1);
        // SAFETY: the storage came to `attach_table`, and nothing refers to it now.
        Some(unsafe { Storage::from_raw(start, size) })
    }
}
