//! Memory from sigma0 (`abi/07` §3). It is mapped to addresses above all that is mapped where it lies.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

use l4_abi::flexpage::{Flexpage, PAGE_ORDER, PAGE_SIZE};
use l4_abi::protocol::sigma0::Request;
use l4_abi::rights::MemoryRights;
use l4_sys::{Result, sigma0};

use crate::env;
use crate::place::Stack;

/// Above the machine's memory.
static NEXT: AtomicU64 = AtomicU64::new(1 << 36);

/// Memory that the program has for good, and that no Rust object lies in.
#[derive(Debug)]
pub struct Pages {
    pub(super) start: u64,
    pub(super) size: u64,
}

impl Pages {
    /// Its first byte.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// How many bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Maps `size` bytes of fresh memory, in blocks of 2^`order` bytes that begin at multiples of that.
///
/// # Errors
/// ENOMEM if sigma0 has not as much.
pub fn fresh(size: u64, order: u32) -> Result<Pages> {
    let block = 1 << order;
    let size = size.next_multiple_of(block);
    let start = reserve(size, block);
    for at in (start..start + size).step_by(block as usize) {
        ask(Request::AnyRam, 0, at, order)?;
    }
    Ok(Pages { start, size })
}

/// Maps what is in the machine's memory at `address` there.
pub(super) fn known(address: u64, order: u32) -> Result<()> {
    ask(Request::Ram, address, address, order)
}

/// Maps the kernel info page.
pub(super) fn kernel_info_page() -> Result<u64> {
    let at = reserve(PAGE_SIZE, PAGE_SIZE);
    ask(Request::Kip, 0, at, PAGE_ORDER)?;
    Ok(at)
}

fn ask(request: Request, wish: u64, at: u64, order: u32) -> Result<()> {
    let [wish, window] = [wish, at].map(|start| Flexpage::memory(start, order, MemoryRights::RWX));
    sigma0::request(request, wish, window).map(|_| ())
}

/// Addresses that nobody uses.
fn reserve(size: u64, alignment: u64) -> u64 {
    let whole = size + alignment;
    NEXT.fetch_add(whole.next_multiple_of(PAGE_SIZE), Ordering::Relaxed)
        .next_multiple_of(alignment)
}

/// See [`Place::grow`](crate::place::Place::grow).
pub(super) fn grow(_: u64, size: u64) -> Result<u64> {
    fresh(size, size.ilog2()).map(|pages| pages.start)
}

/// See [`Place::stack`](crate::place::Place::stack).
pub(super) fn stack(size: u64) -> Result<Box<dyn Stack>> {
    // Nothing is mapped below.
    reserve(PAGE_SIZE, PAGE_SIZE);
    Ok(Box::new(fresh(size, PAGE_ORDER)?))
}

impl Stack for Pages {
    fn end(&self) -> u64 {
        self.start + self.size
    }
}

/// See [`Place::kernel_user_page`](crate::place::Place::kernel_user_page).
pub(super) fn kernel_user_page() -> Result<u64> {
    let at = reserve(PAGE_SIZE, PAGE_SIZE);
    let page = Flexpage::memory(at, PAGE_ORDER, MemoryRights::RW);
    env::task().add_kernel_user_memory(page)?;
    Ok(at)
}
