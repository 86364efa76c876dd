//! The host: enough for the runtime's pure parts to be tested. Nothing here starts a program.

use std::cell::Cell;

thread_local! {
    static THREAD_POINTER: Cell<usize> = const { Cell::new(0) };
}

/// Makes `$main` the program's main function.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        fn main() {
            std::process::exit($crate::Termination::exit_code($main()))
        }
    };
}

pub(crate) fn thread_entry_address() -> u64 {
    crate::thread::thread_main as *const () as u64
}

pub(crate) fn frame_pointer() -> usize {
    0
}

pub(crate) fn set_thread_pointer(address: usize) -> l4_sys::Result<()> {
    THREAD_POINTER.set(address);
    Ok(())
}

/// The thread pointer.
///
/// # Safety
/// None is needed here; the contract is that of the real architectures.
pub(crate) unsafe fn thread_pointer() -> usize {
    THREAD_POINTER.get()
}
