//! The guest's memory, all of which the virtual machine has from the start.

use alloc::boxed::Box;
use core::error::Error;

use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::rights::MemoryRights;
use l4_memory::Shared;
use l4_rt::env;
use l4_sys::object::Task;
use l4_sys::{AnyObject, Cap, OwnedCap};

use super::provider::{Provided, Provider};

/// Large pages.
const ORDER: u32 = 21;
const LARGE_PAGE: u64 = 1 << ORDER;

/// The memory, from guest-physical address 0 on.
pub struct Ram {
    /// To read and write it.
    pub shared: Shared,
    dataspace: Option<OwnedCap<AnyObject>>,
}

impl Ram {
    /// Takes `size` bytes, and gives them to `vm`.
    pub fn new(size: u64, vm: Cap<Task>, provider: Provider) -> Result<Self, Box<dyn Error>> {
        let Provided { shared, dataspace } = (provider.memory)(size, ORDER)?;
        let mut at = 0;
        while at < size {
            // What is to be mapped on must be there.
            let there = shared.try_read(at, &mut [0]);
            debug_assert!(there.is_ok(), "there is memory");
            let order = order_at(at, size);
            let page = Flexpage::memory(shared.address() + at, order, MemoryRights::RWX);
            let control = ItemControl::map(at, ItemFlags::empty());
            vm.map(env::task(), control, page)?;
            at += 1 << order;
        }
        Ok(Self { shared, dataspace })
    }

    /// To share it with servers, if it is a dataspace.
    pub fn dataspace(&self) -> Option<Cap<AnyObject>> {
        self.dataspace.as_ref().map(OwnedCap::as_cap)
    }
}

/// How much to map at once: a large page, or what is left in small ones.
fn order_at(at: u64, size: u64) -> u32 {
    if size - at >= LARGE_PAGE { ORDER } else { 12 }
}
