//! The state of a page-fault trampoline (abi/05 Thread): kernel-user memory,
//! as a vCPU's state is.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use l4_abi::protocol::thread::{TRAMPOLINE_IN_PROGRESS, TRAMPOLINE_RAISE, trampoline_word};

use crate::memory::{Shared, SharedPointer};
use crate::vcpu::TrapRegisters;

/// The state that kernel and user share.
#[repr(C)]
pub struct TrampolineArea {
    handler: AtomicU64,
    user_data: [AtomicU64; 2],
    saved_message: AtomicU64,
    flags: AtomicU64,
    /// Of the code that made the page fault.
    pub registers: TrapRegisters,
}

const _: () = {
    assert!(offset_of!(TrampolineArea, handler) == trampoline_word::HANDLER * 8);
    assert!(offset_of!(TrampolineArea, saved_message) == trampoline_word::SAVED_MESSAGE * 8);
    assert!(offset_of!(TrampolineArea, flags) == trampoline_word::FLAGS * 8);
    assert!(offset_of!(TrampolineArea, registers) == trampoline_word::FRAME * 8);
};

// SAFETY: atomics only.
unsafe impl Shared for TrampolineArea {}

/// Where the kernel finds a trampoline's state.
pub type TrampolinePointer = SharedPointer<TrampolineArea>;

impl TrampolineArea {
    /// Notes that a page fault is being handled, and message register 0 as it
    /// was; where the handler is.
    pub fn begin(&self, message: u64) -> u64 {
        self.saved_message.store(message, Relaxed);
        self.flags.fetch_or(TRAMPOLINE_IN_PROGRESS, Relaxed);
        self.handler.load(Relaxed)
    }

    /// Notes that it is handled; message register 0 as it was, and whether an
    /// exception has to be raised.
    pub fn end(&self) -> (u64, bool) {
        let both = TRAMPOLINE_IN_PROGRESS | TRAMPOLINE_RAISE;
        let flags = self.flags.fetch_and(!both, Relaxed);
        let message = self.saved_message.load(Relaxed);
        (message, flags & TRAMPOLINE_RAISE != 0)
    }
}
