//! What moe asks of sigma0 (`abi/07` §3). All memory arrives at its own address.

use l4_abi::arch::native::KipHeader;
use l4_abi::capability::slot;
use l4_abi::flexpage::Flexpage;
use l4_abi::kip::MemoryDescriptor;
use l4_abi::protocol::label;
use l4_abi::protocol::sigma0::Request;
use l4_abi::rights::MemoryRights;
use l4_ipc::factory::ServerFactory;
use l4_sys::{AnyObject, Cap, OwnedCap, Result, sigma0};

use crate::frames::PAGE_SIZE;
use crate::memory;

/// Whatever arrives, arrives where it lies.
fn request(request: Request, wish: Flexpage) -> Result<u64> {
    sigma0::request(request, wish, Flexpage::whole_memory())
}

/// Takes any free block of 2^`order` bytes.
pub(super) fn any_ram(order: u32) -> Result<u64> {
    request(
        Request::AnyRam,
        Flexpage::memory(0, order, MemoryRights::RWX),
    )
}

/// Maps memory that is moe's already.
pub(super) fn map_ram(address: u64, size: u64) -> Result<()> {
    let first = address & !(PAGE_SIZE - 1);
    let end = (address + size).next_multiple_of(PAGE_SIZE);
    let mut next = first;
    while next < end {
        let order = memory::largest_block(next, end - next);
        request(
            Request::Ram,
            Flexpage::memory(next, order, MemoryRights::RWX),
        )?;
        next += 1 << order;
    }
    Ok(())
}

/// A capability to sigma0 for another client.
pub(super) fn new_client() -> Result<OwnedCap<AnyObject>> {
    Cap::<ServerFactory>::at(slot::PAGER).create(label::SIGMA0, &[])
}

/// The kernel info page.
#[derive(Clone, Copy)]
pub(super) struct KernelInfoPage(u64);

/// Maps the kernel info page.
pub(super) fn kernel_info_page() -> Result<KernelInfoPage> {
    request(Request::Kip, Flexpage::NIL).map(KernelInfoPage)
}

impl KernelInfoPage {
    pub(super) fn address(self) -> u64 {
        self.0
    }

    fn header(self) -> &'static KipHeader {
        memory::structure(self.0)
    }

    /// Where the list of boot modules is.
    pub(super) fn user_pointer(self) -> u64 {
        self.header().user_pointer
    }

    pub(super) fn descriptors(self) -> &'static [MemoryDescriptor] {
        let header = self.header();
        memory::structures(
            self.0 + u64::from(header.memory_descriptors_offset),
            header.memory_descriptors_count as usize,
        )
    }
}
