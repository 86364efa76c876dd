//! From the first instruction to `main`.

use l4_sys::slots::SLOTS;

use crate::stack_block::StackBlock;
use crate::{env, exit, thread};

/// Sets the runtime up, runs `main` and ends the program with what it returns.
///
/// # Safety
/// Called once, by the code of [`entry!`](crate::entry!), with the initial stack pointer.
pub unsafe extern "C" fn start(stack: *const u64, main: extern "C" fn() -> i32) -> ! {
    // SAFETY: the loader built the block, and this is the only thread.
    unsafe {
        let block = StackBlock::parse(stack);
        if let Some(environment) = block.environment() {
            SLOTS.start_at(environment.first_free_capability as usize);
        }
        env::initialise(block);
        thread::initialise_main(block.top);
    }
    exit(main())
}
