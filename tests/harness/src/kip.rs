//! The kernel info page (`abi/04`), mapped where it lies physically, and its clock.

use core::mem::transmute;
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_abi::arch::native::KipHeader;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::ReceiveBuffer;
use l4_abi::kip::{self, MemoryDescriptor};
use l4_abi::protocol::label;
use l4_abi::protocol::sigma0::Request;

use crate::message::{Message, accept, accept_nothing, word};
use crate::own;

static ADDRESS: AtomicU64 = AtomicU64::new(0);

/// Its address. The first call maps it.
pub fn address() -> u64 {
    let known = ADDRESS.load(SeqCst);
    if known != 0 {
        return known;
    }
    accept(&[ReceiveBuffer::WINDOW_WORD, Flexpage::whole_memory().raw()]);
    let reply = Message::new(label::SIGMA0)
        .words(&[Request::Kip.request_word(), 0])
        .call(*own::pager());
    let address = word(0) & !0xfff;
    accept_nothing();
    assert_eq!(
        reply.outcome(),
        Ok(0),
        "sigma0 does not give the kernel info page"
    );
    ADDRESS.store(address, SeqCst);
    address
}

/// The whole page.
pub fn page() -> &'static [u8] {
    // SAFETY: the page stays mapped, and but for the clock, which nobody reads through this slice,
    // the kernel leaves it as it is.
    unsafe { slice::from_raw_parts(address() as *const u8, kip::SIZE) }
}

/// Its header.
pub fn header() -> &'static KipHeader {
    // SAFETY: as for `page`; the header lies at the start of it.
    unsafe { &*(address() as *const KipHeader) }
}

/// What it says of memory, unused places included.
pub fn memory_descriptors() -> impl Iterator<Item = MemoryDescriptor> {
    let first = header().memory_descriptors_offset as usize;
    let bytes = &page()[first..first + kip::MEMORY_DESCRIPTORS * 16];
    bytes.chunks_exact(16).map(|bytes| {
        let word = |offset: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[offset..offset + 8]);
            u64::from_le_bytes(word)
        };
        MemoryDescriptor::from_words(word(0), word(8))
    })
}

/// The clock in µs, by the page's own code.
pub fn micros() -> u64 {
    clock(kip::CLOCK_MICROS_CODE_OFFSET)
}

/// The clock in ns, by the page's own code.
pub fn nanos() -> u64 {
    clock(kip::CLOCK_NANOS_CODE_OFFSET)
}

fn clock(offset: usize) -> u64 {
    // SAFETY: the kernel puts a function without arguments there, that follows the C ABI.
    let read: extern "C" fn() -> u64 = unsafe { transmute(address() as usize + offset) };
    read()
}
