//! Translations: there are none. What would be forgotten is recorded for each
//! thread of the test, and is out of use on all CPUs at once.

use std::cell::RefCell;
use std::vec::Vec;

use l4_abi::error::ResultCode;

use super::paging::{self, Root};
use super::platform::Platform;
use crate::memory::Storage;
use crate::per_cpu::CpuBlock;

/// One flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// One page of an address space.
    Page(u64),
    /// All of an address space.
    All,
}

std::thread_local! {
    static FLUSHES: RefCell<Vec<Flush>> = const { RefCell::new(Vec::new()) };
}

/// What was forgotten since the last call.
pub fn take_recorded() -> Vec<Flush> {
    FLUSHES.take()
}

/// What all CPUs share: nothing.
#[derive(Default)]
pub struct Tlbs {}

/// What there is for each space: nothing.
#[derive(Default)]
pub struct Residence {}

/// A CPU's translations: none.
#[derive(Default)]
pub struct Tlb {}

impl Tlb {
    /// A CPU without translations.
    pub const fn new() -> Self {
        Self {}
    }

    /// Loads nothing.
    #[inline]
    pub fn load_again(&self, _cpu: &CpuBlock, _space: &Residence) -> bool {
        false
    }
}

impl Residence {
    /// A space that no CPU has loaded.
    pub const fn new() -> Self {
        Self {}
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
    /// No requests.
    pub fn new() -> Self {
        Self {}
    }

    /// Lets user mode on this CPU have the space with root table `root`.
    #[inline]
    pub fn load(&self, cpu: &CpuBlock, _tlb: &Tlb, _space: &Residence, root: Root) {
        paging::activate(cpu, root);
    }

    /// Lets user mode on this CPU have nothing.
    pub fn unload(&self, cpu: &CpuBlock, _tlb: &Tlb, _space: &Residence) {
        paging::activate(cpu, Root::kernel());
    }

    /// This CPU keeps something of the space besides translations.
    pub fn keep(&self, _cpu: &CpuBlock, _space: &Residence) {}

    /// A page was taken away or changed, or more than that page, if
    /// `is_single` is false.
    pub fn forget(
        &self,
        _cpu: &CpuBlock,
        _tlb: &Tlb,
        _space: &Residence,
        address: u64,
        is_single: bool,
    ) {
        let flush = if is_single {
            Flush::Page(address)
        } else {
            Flush::All
        };
        FLUSHES.with_borrow_mut(|flushes| flushes.push(flush));
    }

    /// Waits until all that was forgotten is out of use on all CPUs: it is.
    pub fn wait(
        &self,
        _platform: &Platform,
        _cpu: &CpuBlock,
        _tlb: &Tlb,
        _loaded: Option<&Residence>,
    ) {
    }

    /// Does what other CPUs requested of this one: nothing.
    pub fn serve(&self, _cpu: &CpuBlock, _tlb: &Tlb, _loaded: Option<&Residence>) {}
}
