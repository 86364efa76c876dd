//! Where threads begin that Rust functions are for.

use crate::arch;

/// The first instruction: it takes a function and its argument from the stack and calls it.
pub fn address() -> u64 {
    arch::start as *const () as u64
}

/// Prepares a stack below `top`, a multiple of 16, for a thread that begins at [`address`], to
/// call `function` with `argument`. Returns its stack pointer.
///
/// # Safety
/// The 16 bytes below `top` must be nobody else's, and `function` an `extern "C"` function of one
/// word that does not return.
pub unsafe fn prepare_stack(top: u64, function: *const (), argument: usize) -> u64 {
    let stack = (top - 16) as *mut [usize; 2];
    // SAFETY: by the caller's contract.
    unsafe { stack.write([function as usize, argument]) };
    stack as u64
}
