//! The host as an "architecture": every thread has a UTCB, and the kernel is a closure that the
//! test installs with [`with_kernel`]. Wire formats and the servers' logic are tested this way.

#[cfg(feature = "random")]
pub mod random;
pub(crate) mod vcpu;

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
    /// The innermost kernel is the last one.
    static KERNELS: RefCell<Vec<Kernel>> = const { RefCell::new(Vec::new()) };
}

/// Runs `body` with `kernel` answering the system calls of this thread.
///
/// System calls that `kernel` itself makes, a server that runs inside it for instance, go to the
/// kernel around it.
pub fn with_kernel<R>(
    kernel: impl FnMut(SystemCall, Utcb) -> SystemReturn + 'static,
    body: impl FnOnce() -> R,
) -> R {
    KERNELS.with_borrow_mut(|kernels| kernels.push(Box::new(kernel)));
    let _installed = Installed;
    body()
}

/// Takes the innermost kernel away again, also when a test fails.
struct Installed;

impl Drop for Installed {
    fn drop(&mut self) {
        KERNELS.with_borrow_mut(Vec::pop);
    }
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
    let Some(mut kernel) = KERNELS.with_borrow_mut(Vec::pop) else {
        panic!("system call without a kernel: {call:x?}")
    };
    let answer = kernel(call, Utcb::current());
    KERNELS.with_borrow_mut(|kernels| kernels.push(kernel));
    (answer.tag, answer.label)
}

pub(crate) fn utcb_address() -> usize {
    UTCB.with(|utcb| utcb.as_ptr() as usize)
}
