//! A component: ned, or another loader, has started it, and moe gives it what it needs.

mod memory;
pub(crate) mod serve;

use l4_sys::slots::SLOTS;
use l4re::parent::SIGNAL_EXIT;

use crate::place::Place;
use crate::stack_block::StackBlock;
use crate::{env, exit, thread};

static PLACE: Place = Place {
    grow: memory::grow,
    stack: memory::stack,
    kernel_user_page: memory::kernel_user_page,
    distance: || 0,
    leave,
};

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
        env::initialise(block, &PLACE);
        thread::initialise_main(block.top);
    }
    exit(main())
}

/// Tells the parent and waits to be removed.
fn leave(code: i32) -> ! {
    // Whatever the log answers, it has dealt with the last words then. The parent may end the system.
    let _ = env::log().read(&mut []);
    let _ = env::parent().signal(SIGNAL_EXIT, code as u64);
    l4_sys::ipc::sleep_forever()
}
