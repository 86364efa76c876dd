//! Which CPUs may have translations of an address space, and how these are
//! forgotten: each CPU does it for itself, and those that run the space are
//! interrupted for it.
//!
//! A space has a *version*, a number that no space had before. It gets
//! another one with each page that goes. For each id of the hardware a CPU
//! notes the version that the translations are of; so what went while the
//! space was not loaded there is found out when it is loaded again, and ids
//! need no order among the CPUs. Versions are even; one that a CPU notes is odd
//! if the CPU is no resident of its space any more. So a space that is loaded
//! once more takes a look at one number.
//!
//! A space also knows its *residents*, the CPUs that may be running it. Who
//! takes a page away makes a request to each, in a counter that the CPU
//! compares with what it has served, and waits until all requests are served
//! that have been made by anybody. That matters to who finds a page gone
//! already: it may be going just now.
//!
//! Whoever waits holds no lock and serves requests to its own CPU meanwhile,
//! so two CPUs can wait for each other. Fences see to it that a CPU that loads
//! a space sees its new version or is seen as a resident.

use core::cell::Cell;

use super::descriptors;
use super::paging::Root;
use super::platform::Platform;
use super::{cpu, invalidate, ipi, ports};
use crate::per_cpu::CpuBlock;
use crate::quiescence::{MAX_CPUS, bits};
use crate::sync::{AtomicU64, AtomicUsize, Ordering, const_fn, fence};

/// Ids that each CPU uses, if the hardware has them; 0 is nobody's.
const IDS: usize = if cfg!(loom) { 2 } else { 64 };
/// The one that all spaces with descriptors share. No CPU finds a version that it knows where it
/// looks for that of such a space first, so these are always loaded as if they were new.
pub(super) const SPECIAL: usize = IDS;

/// What makes a version that a CPU notes an odd one.
const LEFT: u64 = 1;
/// The version of no space.
const NO_VERSION: u64 = u64::MAX;
const VERSION_STEP: u64 = 2;

/// What all CPUs share.
pub struct Tlbs {
    /// The last version that was given to a space.
    last_version: AtomicU64,
    /// Requests that have not been served.
    outstanding: AtomicU64,
    requests: [Requests; MAX_CPUS],
}

/// The requests to one CPU: how many there have been, and how many of them
/// are served.
#[repr(align(64))]
struct Requests {
    made: AtomicU64,
    served: AtomicU64,
}

/// What there is for each space.
pub struct Residence {
    /// 0: no CPU has loaded it, and nothing was taken away.
    version: AtomicU64,
    /// The id that every CPU uses for the space, if it has ids at all; 0: no
    /// CPU has loaded it.
    pub(super) id: AtomicUsize,
    /// What the hardware is told to load it under that id, unless it is [`SPECIAL`].
    word: AtomicU64,
    /// The CPUs that may run it, a bit each.
    residents: AtomicU64,
    pub(super) descriptors: descriptors::Table,
}

/// A CPU's translations.
pub struct Tlb {
    /// The versions that the ids' translations are of.
    versions: [Cell<u64>; IDS + 1],
    /// The id in use.
    id: Cell<usize>,
    /// The CPUs that this one has made requests to and not interrupted yet.
    asked: Cell<u64>,
}

impl Tlb {
    /// A CPU without translations.
    pub const fn new() -> Self {
        Self {
            versions: [const { Cell::new(NO_VERSION) }; IDS + 1],
            id: Cell::new(0),
            asked: Cell::new(0),
        }
    }
}

impl Tlb {
    /// Lets user mode on this CPU have the space, and no ports or descriptors of
    /// the one before. False, and no more than that is done, if the CPU is no
    /// resident, or has old translations or none, or if there is more to load.
    #[inline(always)]
    pub fn load_again(&self, cpu: &CpuBlock, space: &Residence) -> bool {
        descriptors::leave(cpu);
        let version = space.version.load(Ordering::Acquire);
        let id = space.id.load(Ordering::Relaxed) % IDS;
        let is_known = self.versions[id].get() == version;
        if is_known {
            self.activate(cpu, id, space.word.load(Ordering::Relaxed), true);
        }
        is_known
    }

    /// Loads what `word` says under `id`.
    #[inline(always)]
    fn activate(&self, cpu: &CpuBlock, id: usize, word: u64, is_kept: bool) {
        if !invalidate::activate(cpu, word, is_kept) {
            self.versions[self.id.get()].set(NO_VERSION);
        }
        self.id.set(id);
    }
}

impl Residence {
    const_fn! {
        /// A space that no CPU has loaded.
        pub fn new() -> Self {
            Self {
                version: AtomicU64::new(0),
                id: AtomicUsize::new(0),
                word: AtomicU64::new(0),
                residents: AtomicU64::new(0),
                descriptors: descriptors::none(),
            }
        }
    }

    /// Adds CPU `id` to the residents.
    #[inline]
    fn settle(&self, id: u32) {
        // A CPU that is a resident gets a request with each new version.
        if self.residents.load(Ordering::Relaxed) & 1 << id == 0 {
            self.residents.fetch_or(1 << id, Ordering::AcqRel);
            fence(Ordering::SeqCst);
        }
    }

    /// The version; the first one if there is none yet.
    #[inline]
    fn version(&self, tlbs: &Tlbs) -> u64 {
        match self.version.load(Ordering::Acquire) {
            0 => self.first_version(tlbs),
            version => version,
        }
    }

    #[cold]
    fn first_version(&self, tlbs: &Tlbs) -> u64 {
        let new = tlbs.new_version();
        match (self.version).compare_exchange(0, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => new,
            Err(version) => version,
        }
    }

    /// The id, which is the first loading CPU's to choose. The first spaces do
    /// not share theirs.
    fn id(&self, tlbs: &Tlbs) -> usize {
        const OWN: u64 = IDS as u64 - 1;
        match self.id.load(Ordering::Relaxed) {
            0 => {
                let new = 1 + (tlbs.new_version() / VERSION_STEP % OWN) as usize;
                match (self.id).compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => new,
                    Err(id) => id,
                }
            }
            id => id,
        }
    }
}

impl Tlbs {
    /// No requests.
    pub fn new() -> Self {
        Self {
            last_version: AtomicU64::new(0),
            outstanding: AtomicU64::new(0),
            requests: core::array::from_fn(|_| Requests {
                made: AtomicU64::new(0),
                served: AtomicU64::new(0),
            }),
        }
    }

    fn new_version(&self) -> u64 {
        self.last_version.fetch_add(VERSION_STEP, Ordering::Relaxed) + VERSION_STEP
    }

    /// Lets user mode on this CPU have the space with root table `root`, always
    /// the same, which could not be [loaded again](Tlb::load_again).
    pub fn load(&self, cpu: &CpuBlock, tlb: &Tlb, space: &Residence, root: Root) {
        space.settle(cpu.id());
        let version = space.version(self);
        let id = space.id(self);
        let word = invalidate::word(cpu, root, id as u16);
        if id != SPECIAL {
            space.word.store(word, Ordering::Relaxed);
        }
        let is_kept = tlb.versions[id].get() | LEFT == version | LEFT;
        tlb.activate(cpu, id, word, is_kept);
        tlb.versions[id].set(version);
        descriptors::load(cpu, space);
    }

    /// A guest with the space is about to run on this CPU: the version that
    /// its translations must be of. The CPU is interrupted, which ends the
    /// run, when there is another one.
    #[inline]
    pub fn enter_guest(&self, cpu: &CpuBlock, space: &Residence) -> u64 {
        space.settle(cpu.id());
        space.version(self)
    }

    /// Lets user mode on this CPU have nothing; `space` was loaded.
    pub fn unload(&self, cpu: &CpuBlock, tlb: &Tlb, space: &Residence) {
        let version = &tlb.versions[tlb.id.get()];
        version.set(version.get() | LEFT);
        tlb.activate(cpu, 0, invalidate::word(cpu, Root::kernel(), 0), true);
        space
            .residents
            .fetch_and(!(1 << cpu.id()), Ordering::Release);
    }

    /// This CPU keeps something of `space` besides translations, until
    /// [`serve`](Self::serve) says otherwise.
    pub fn keep(&self, cpu: &CpuBlock, space: &Residence) {
        space.settle(cpu.id());
    }

    /// The page at `address` of `space` was taken away or changed, by who
    /// holds the lock of the page table; or more than that page, if
    /// `is_single` is false. It may still be in use until
    /// [`wait`](Self::wait).
    #[inline(always)]
    pub fn forget(
        &self,
        cpu: &CpuBlock,
        tlb: &Tlb,
        space: &Residence,
        address: u64,
        is_single: bool,
    ) {
        let version = self.new_version();
        let before = space.version.swap(version, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        let own = &tlb.versions[tlb.id.get()];
        if own.get() == before {
            if is_single {
                invalidate::page(cpu, address);
            } else {
                invalidate::all(cpu);
                descriptors::renew(cpu, space);
            }
            own.set(version);
        }
        // If the space is loaded and `own` is of an older version, there is a
        // request to this CPU too, and `wait` serves it.
        let others = space.residents.load(Ordering::Acquire) & !(1 << cpu.id());
        if others != 0 {
            self.request(tlb, space, others);
        }
    }

    /// Makes requests to CPUs, which are no residents any more until they
    /// have served them.
    #[cold]
    fn request(&self, tlb: &Tlb, space: &Residence, cpus: u64) {
        for id in bits(space.residents.fetch_and(!cpus, Ordering::AcqRel) & cpus) {
            self.outstanding.fetch_add(1, Ordering::Relaxed);
            let requests = &self.requests[id as usize];
            requests.made.fetch_add(1, Ordering::Release);
            tlb.asked.set(tlb.asked.get() | 1 << id);
        }
    }

    /// Waits until all that was [forgotten](Self::forget) is out of use on
    /// all CPUs. No lock is held. `loaded` is what this CPU has loaded.
    #[inline]
    pub fn wait(&self, platform: &Platform, cpu: &CpuBlock, tlb: &Tlb, loaded: Option<&Residence>) {
        if self.outstanding.load(Ordering::Acquire) != 0 {
            self.wait_for_others(platform, cpu, tlb, loaded);
        }
    }

    #[cold]
    fn wait_for_others(
        &self,
        platform: &Platform,
        cpu: &CpuBlock,
        tlb: &Tlb,
        loaded: Option<&Residence>,
    ) {
        for id in bits(tlb.asked.take()) {
            ipi::send(platform, id);
        }
        for requests in &self.requests {
            let made = requests.made.load(Ordering::Acquire);
            while requests.served.load(Ordering::Acquire) < made {
                self.serve(cpu, tlb, loaded);
                cpu::relax();
            }
        }
    }

    /// Does what other CPUs requested of this one. `loaded` is what it has
    /// loaded.
    pub fn serve(&self, cpu: &CpuBlock, tlb: &Tlb, loaded: Option<&Residence>) {
        let requests = &self.requests[cpu.id() as usize];
        let made = requests.made.load(Ordering::Acquire);
        let served = requests.served.load(Ordering::Relaxed);
        if made == served {
            return;
        }
        ports::forbid(cpu);
        if let Some(space) = loaded {
            space.settle(cpu.id());
            let version = space.version(self);
            if tlb.versions[tlb.id.get()].replace(version) != version {
                invalidate::all(cpu);
                descriptors::renew(cpu, space);
            }
        }
        requests.served.store(made, Ordering::Release);
        self.outstanding.fetch_sub(made - served, Ordering::Release);
    }
}

#[cfg(test)]
#[path = "tlb/tests.rs"]
mod tests;
