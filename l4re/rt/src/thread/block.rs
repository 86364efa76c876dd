//! The block that the thread pointer leads to.

use core::cell::UnsafeCell;
use core::ptr;

use l4_sys::Cap;
use l4_sys::object::Thread;

use super::local::Locals;
use crate::{arch, env};

/// What the runtime knows of a thread. Only the thread itself uses it.
#[repr(C)]
pub(super) struct ThreadBlock {
    /// Its own address: x86_64 can only read *through* the thread pointer.
    this: UnsafeCell<*const ThreadBlock>,
    /// The thread.
    pub(super) thread: Cap<Thread>,
    /// First byte behind its stack.
    stack_top: usize,
    /// Its thread-local values.
    pub(super) locals: Locals,
}

// SAFETY: a block is made by the parent thread, and used by its own thread only after that.
unsafe impl Send for ThreadBlock {}

impl ThreadBlock {
    pub(super) const fn new(thread: Cap<Thread>, stack_top: usize) -> Self {
        Self {
            this: UnsafeCell::new(ptr::null()),
            thread,
            stack_top,
            locals: Locals::new(),
        }
    }

    /// Makes this the calling thread's block.
    ///
    /// # Safety
    /// The block must stay where it is for the thread's life.
    pub(super) unsafe fn install(&self) {
        // SAFETY: nobody else uses the block.
        unsafe { *self.this.get() = self };
        // Without a thread pointer the first thread-local access would fault; that is no worse
        // than what could be done about it here.
        let _ = arch::set_thread_pointer(ptr::from_ref(self) as usize);
    }
}

/// The block of the calling thread.
pub(super) fn current() -> &'static ThreadBlock {
    // SAFETY: every thread of a program installs its block before it runs any other code, and the
    // block lives as long as the thread; it is not `Sync`, so the reference stays in the thread.
    unsafe { &*(arch::thread_pointer() as *const ThreadBlock) }
}

/// The block of the first thread.
struct MainBlock(UnsafeCell<ThreadBlock>);

// SAFETY: only the first thread uses it.
unsafe impl Sync for MainBlock {}

static MAIN: MainBlock = MainBlock(UnsafeCell::new(ThreadBlock::new(Thread::NONE, 0)));

/// Installs the block of the first thread, whose stack ends at `stack_top`.
///
/// # Safety
/// Called once, by the first thread, before it uses anything thread-local.
pub(crate) unsafe fn initialise_main(stack_top: usize) {
    // SAFETY: by the contract nothing refers to the block yet.
    unsafe {
        *MAIN.0.get() = ThreadBlock::new(env::main_thread(), stack_top);
        (*MAIN.0.get()).install();
    }
}

/// First byte behind the calling thread's stack.
pub(crate) fn stack_top() -> usize {
    current().stack_top
}
