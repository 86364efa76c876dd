//! Start and server loop.

use core::cell::UnsafeCell;
use core::panic::PanicInfo;

use l4_abi::capability::slot;
use l4_sys::Cap;
use l4_sys::fatal::end_system;
use l4_sys::object::{Log, PlatformControl};
use moe::moe::Moe;
use moe::{boot, service};

const STACK_SIZE: usize = 512 * 1024;

l4_sys::root_start!(main, STACK_SIZE);

/// Too large for the stack.
struct State(UnsafeCell<Moe>);

// SAFETY: moe has one thread.
unsafe impl Sync for State {}

static STATE: State = State(UnsafeCell::new(Moe::new()));

extern "C" fn main(_: usize) -> ! {
    // SAFETY: `main` runs once, and nobody else names the state.
    let moe = unsafe { &mut *STATE.0.get() };
    if let Err(failure) = boot::start(moe) {
        panic!("{failure}");
    }
    let ended = l4_ipc::serve(|request| service::answer(moe, request));
    panic!("the server loop ended: {ended:?}")
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let log = *Cap::<Log>::at(slot::LOG);
    let platform = *Cap::<PlatformControl>::at(slot::ICU);
    end_system(log, platform, "moe", format_args!("{}", info.message()))
}
