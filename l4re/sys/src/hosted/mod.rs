//! The host as an "architecture": every thread has a UTCB, and the kernel is a closure that the
//! test installs with [`with_kernel`]. Wire formats and the servers' logic are tested this way.

use std::cell::{Cell, RefCell};

use crate::utcb::Utcb;

/// One system call as the kernel sees it; the message is in the [`Utcb`] given beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemCall {
    /// Raw message tag.
    pub tag: u64,
    /// Selector and operation flags.
    pub destination: u64,
    /// Label register.
    pub label: u64,
    /// Raw timeout pair.
    pub timeouts: u64,
}

/// What the kernel leaves in the tag and label registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemReturn {
    /// Raw message tag.
    pub tag: u64,
    /// Label register.
    pub label: u64,
}

type Kernel = Box<dyn FnMut(SystemCall, Utcb) -> SystemReturn>;

/// Size of a UTCB in words (`abi/02`).
const UTCB_WORDS: usize = 128;

thread_local! {
    static UTCB: &'static [Cell<u64>; UTCB_WORDS] =
        Box::leak(Box::new([const { Cell::new(0) }; UTCB_WORDS]));
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
}

/// Runs `body` with `kernel` answering the system calls of this thread.
pub fn with_kernel<R>(
    kernel: impl FnMut(SystemCall, Utcb) -> SystemReturn + 'static,
    body: impl FnOnce() -> R,
) -> R {
    let previous = KERNEL.replace(Some(Box::new(kernel)));
    let result = body();
    KERNEL.replace(previous);
    result
}

/// Lets the installed kernel answer.
///
/// # Safety
/// None is needed here; the contract is that of the real architectures.
pub(crate) unsafe fn system_call(
    tag: u64,
    destination: u64,
    label: u64,
    timeouts: u64,
) -> (u64, u64) {
    let call = SystemCall {
        tag,
        destination,
        label,
        timeouts,
    };
    let answer = KERNEL.with_borrow_mut(|kernel| match kernel {
        Some(kernel) => kernel(call, Utcb::current()),
        None => panic!("system call without a kernel: {call:x?}"),
    });
    (answer.tag, answer.label)
}

pub(crate) fn utcb_address() -> usize {
    UTCB.with(|utcb| utcb.as_ptr() as usize)
}
