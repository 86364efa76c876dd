//! Memory for tests: pages from sigma0, and addresses that nobody uses.
//!
//! What is loaded and stored here is no Rust object: tests map, unmap and share it as they like.

use l4_abi::flexpage::Flexpage;
pub use l4_abi::flexpage::{PAGE_ORDER, PAGE_SIZE as PAGE};
use l4_abi::item::ReceiveBuffer;
use l4_abi::protocol::label;
use l4_abi::protocol::sigma0::Request;
use l4_abi::rights::MemoryRights;

use crate::message::{Message, accept, accept_nothing, word};
use crate::own;

/// Start of a range of 1 GiB that nothing is mapped to at first, aligned to its size.
pub const UNUSED: u64 = 0x10_0000_0000;

/// Takes 2^`order` bytes of memory from sigma0; they are mapped where they lie physically.
pub fn allocate(order: u32) -> u64 {
    accept(&[ReceiveBuffer::WINDOW_WORD, Flexpage::whole_memory().raw()]);
    let wish = Flexpage::memory(0, order, MemoryRights::RWX);
    let reply = Message::new(label::SIGMA0)
        .words(&[Request::AnyRam.request_word(), wish.raw()])
        .call(*own::pager());
    let address = word(0) & !(PAGE - 1);
    accept_nothing();
    assert_eq!(reply.outcome(), Ok(0), "sigma0 has no memory left");
    address
}

/// Reads the word at `address`; whether that faults is what tests want to know.
pub fn load(address: u64) -> u64 {
    // SAFETY: no Rust object lies at the addresses that tests use, and the kernel and the pager
    // deal with all others.
    unsafe { (address as *const u64).read_volatile() }
}

/// Writes a word at `address`.
pub fn store(address: u64, value: u64) {
    // SAFETY: as for `load`.
    unsafe { (address as *mut u64).write_volatile(value) }
}

unsafe extern "C" {
    /// The program's ELF header, which is part of its first segment; the linker defines it.
    static __ehdr_start: [u8; 64];
}

/// A part of the program in memory.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Its first address.
    pub start: u64,
    /// The address behind it.
    pub end: u64,
    /// Whether it is code.
    pub is_executable: bool,
}

/// The segments of the program that is running.
pub fn segments() -> impl Iterator<Item = Segment> {
    // System V ABI, ELF-64: e_phoff at 32, e_phnum at 56; headers of 56 bytes with p_type,
    // p_flags, p_vaddr and p_memsz at 0, 4, 16 and 40.
    const LOAD: u64 = 1;
    const EXECUTABLE: u64 = 1 << 32;
    let base = &raw const __ehdr_start as u64;
    let first = base + load(base + 32);
    let count = load(base + 56) & 0xffff;
    let headers = (0..count).map(move |index| first + index * 56);
    headers
        .filter(|header| load(*header) & 0xffff_ffff == LOAD)
        .map(move |header| {
            let start = base + load(header + 16);
            Segment {
                start,
                end: start + load(header + 40),
                is_executable: load(header) & EXECUTABLE != 0,
            }
        })
}

/// The pages that the program is loaded to.
pub fn program_pages() -> impl Iterator<Item = u64> {
    let pages =
        |segment: Segment| (segment.start & !(PAGE - 1)..segment.end).step_by(PAGE as usize);
    segments().flat_map(pages)
}

/// Touches every page of the program, so that no later access to it raises a page fault: threads
/// whose pager is a test would send it there.
pub fn touch_program() {
    for page in program_pages() {
        load(page);
    }
}

/// Maps 2^`order` bytes of a device's registers, where they lie physically.
pub fn map_device(address: u64, order: u32) {
    accept(&[ReceiveBuffer::WINDOW_WORD, Flexpage::whole_memory().raw()]);
    let wish = Flexpage::memory(address, order, MemoryRights::RW);
    let reply = Message::new(label::SIGMA0)
        .words(&[Request::IoMemory.request_word(), wish.raw()])
        .call(*own::pager());
    accept_nothing();
    assert_eq!(reply.outcome(), Ok(0), "sigma0 does not give the device");
}
