//! Where in a new program's memory the things lie that are not in its file.

use alloc::vec::Vec;

use l4_abi::flexpage::PAGE_SIZE;
use l4_abi::l4re as program;
use l4_abi::protocol::thread::ExRegsFlags;

/// Smallest stack that is made, whatever the program asks for: arguments and environment are on it.
pub(crate) const SMALLEST_STACK: u64 = 16 * PAGE_SIZE;

/// The usual places, unless the program asks for others. All are multiples of pages, and no sum of
/// start and size wraps around.
#[derive(Debug)]
pub(crate) struct Layout {
    /// First address of the stack.
    pub(crate) stack_start: u64,
    /// Its size in bytes.
    pub(crate) stack_size: u64,
    /// Address of the kernel info page.
    pub(crate) kip: u64,
    /// Addresses to keep free: first one and size in bytes.
    pub(crate) reserved: Vec<(u64, u64)>,
    /// How the first thread is started.
    pub(crate) start_flags: ExRegsFlags,
}

impl Layout {
    /// The usual places.
    pub(crate) const USUAL: Self = Self {
        stack_start: program::STACK_START,
        stack_size: program::STACK_SIZE,
        kip: program::KIP_ADDRESS,
        reserved: Vec::new(),
        start_flags: ExRegsFlags::empty(),
    };

    /// The end of the stack.
    pub(crate) fn stack_end(&self) -> u64 {
        self.stack_start + self.stack_size
    }
}
