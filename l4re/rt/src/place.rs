//! Where a program stands: who gives it what it cannot make itself.

use alloc::boxed::Box;

use l4_sys::Result;

/// As whose program it was started.
pub(crate) struct Place {
    /// Maps `size` bytes of fresh memory for good, a power of two and where it is a multiple of that, at
    /// `at` if possible; where it is.
    pub(crate) grow: fn(at: u64, size: u64) -> Result<u64>,
    /// Makes a stack of so many bytes, with an unmapped page below it.
    pub(crate) stack: fn(size: u64) -> Result<Box<dyn Stack>>,
    /// Makes a page of kernel-user memory where nothing else is; its address. It stays for good.
    pub(crate) kernel_user_page: fn() -> Result<u64>,
    /// How far the program lies from where it was linked to.
    pub(crate) distance: fn() -> usize,
    /// Ends the program.
    pub(crate) leave: fn(code: i32) -> !,
}

/// Memory for a thread's stack. Dropped, it is given back.
pub(crate) trait Stack: Send {
    /// First byte behind it.
    fn end(&self) -> u64;
}
