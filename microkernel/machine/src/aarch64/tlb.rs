//! Translations of user mode: which space a CPU has loaded, and forgetting
//! them on all CPUs at once, which one instruction does.
//!
//! A space has one VMID on all CPUs, which it may share with other spaces: each
//! CPU notes whose translations it has under a VMID, and forgets them before
//! it loads another space with that. No CPU uses what another one has cached
//! (TTBR.CnP is clear).

use core::cell::Cell;

use l4_abi::error::ResultCode;

use super::invalidate::{activate, forget_page, forget_space};
use super::paging::Root;
use super::platform::Platform;
use crate::memory::Storage;
use crate::per_cpu::CpuBlock;
use crate::sync::{AtomicU64, Ordering, const_fn};

/// There are so many VMIDs on every machine; 0 is nobody's.
const VMIDS: usize = 256;

/// The number of no space.
const NOBODY: u64 = u64::MAX;

/// What all CPUs share.
#[derive(Default)]
pub struct Tlbs {
    /// The last number that was given to a space.
    last_number: AtomicU64,
}

/// What there is for each space.
#[derive(Default)]
pub struct Residence {
    /// A number that no other space has or had; 0: no CPU has loaded it.
    number: AtomicU64,
    /// VTTBR_EL2 for it; 0: no CPU has loaded it.
    word: AtomicU64,
}

/// What a CPU knows of its translations: the numbers of the spaces whose they
/// are, by VMID.
pub struct Tlb {
    owners: [Cell<u64>; VMIDS],
}

impl Tlb {
    /// A CPU without translations.
    pub const fn new() -> Self {
        Self {
            owners: [const { Cell::new(NOBODY) }; VMIDS],
        }
    }

    /// Lets user mode on this CPU have the space. False, and nothing is done,
    /// if the CPU has another space's translations under its VMID, or none.
    #[inline(always)]
    pub fn load_again(&self, _cpu: &CpuBlock, space: &Residence) -> bool {
        let word = space.word.load(Ordering::Relaxed);
        let is_known = self.owners[vmid(word)].get() == space.number.load(Ordering::Relaxed);
        if is_known {
            activate(word);
        }
        is_known
    }
}

impl Residence {
    const_fn! {
        /// A space that no CPU has loaded.
        pub fn new() -> Self {
            Self {
                number: AtomicU64::new(0),
                word: AtomicU64::new(0),
            }
        }
    }

    /// Sets descriptors: there are none on this machine.
    pub fn set_descriptors(
        &self,
        _words: &[u64],
        _allocate: impl FnOnce(usize) -> Result<Storage, ResultCode>,
    ) -> Result<Option<Storage>, ResultCode> {
        Err(ResultCode::ENOSYS)
    }

    /// The memory of the descriptors: none.
    pub fn take_descriptors(&mut self) -> Option<Storage> {
        None
    }
}

impl Tlbs {
    /// No space has a number.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets user mode on this CPU have the space with root table `root`, always
    /// the same, which could not be [loaded again](Tlb::load_again).
    pub fn load(&self, _cpu: &CpuBlock, tlb: &Tlb, space: &Residence, root: Root) {
        let number = match space.number.load(Ordering::Relaxed) {
            0 => self.first_number(space),
            number => number,
        };
        let vmid = 1 + (number - 1) as usize % (VMIDS - 1);
        let word = (vmid as u64) << VMID_SHIFT | root.0;
        space.word.store(word, Ordering::Relaxed);
        // Who takes a page away knows the VMID, or this CPU sees that the
        // page is gone.
        barrier!("dsb ish");
        activate(word);
        barrier!("isb");
        barrier!("tlbi vmalls12e1");
        barrier!("dsb nsh");
        barrier!("isb");
        tlb.owners[vmid].set(number);
    }

    fn first_number(&self, space: &Residence) -> u64 {
        let new = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        match (space.number).compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => new,
            Err(number) => number,
        }
    }

    /// Lets user mode on this CPU have nothing; `space` was loaded.
    pub fn unload(&self, _cpu: &CpuBlock, _tlb: &Tlb, _space: &Residence) {
        activate(Root::kernel().0);
    }

    /// This CPU keeps something of the space besides translations: there is
    /// nothing else here.
    pub fn keep(&self, _cpu: &CpuBlock, _space: &Residence) {}

    /// The page at `address` of `space` was taken away or changed, or more
    /// than that page, if `is_single` is false. It is out of use at once.
    pub fn forget(
        &self,
        _cpu: &CpuBlock,
        _tlb: &Tlb,
        space: &Residence,
        address: u64,
        is_single: bool,
    ) {
        // The change of the table comes before, and before the look at the
        // VMID.
        barrier!("dsb ish");
        match vmid(space.word.load(Ordering::Relaxed)) {
            0 => {}
            vmid if is_single => forget_page(address, vmid),
            vmid => forget_space(vmid),
        }
    }

    /// Waits until all that was forgotten is out of use on all CPUs: it is.
    #[inline]
    pub fn wait(
        &self,
        _platform: &Platform,
        _cpu: &CpuBlock,
        _tlb: &Tlb,
        _loaded: Option<&Residence>,
    ) {
    }

    /// Does what other CPUs requested of this one: they need not.
    pub fn serve(&self, _cpu: &CpuBlock, _tlb: &Tlb, _loaded: Option<&Residence>) {}
}

/// Where VTTBR_EL2 has the VMID, above the root.
pub(super) const VMID_SHIFT: u32 = 48;

pub(super) fn vmid(word: u64) -> usize {
    (word >> VMID_SHIFT) as usize % VMIDS
}

#[cfg(all(test, loom))]
#[path = "tlb/loom.rs"]
mod loom;
