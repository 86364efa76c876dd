//! A root task that turns the machine off and says nothing.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use l4_abi::capability::slot;
use l4_abi::protocol::platform_control::Shutdown;
use l4_sys::object::PlatformControl;
use l4_sys::{Cap, ipc};

const STACK_SIZE: usize = 16 * 1024;

l4_sys::root_start!(main, STACK_SIZE);

extern "C" fn main(_: usize) -> ! {
    // If it stays on, the test finds out.
    let _ = Cap::<PlatformControl>::at(slot::ICU).shutdown(Shutdown::PowerOff);
    ipc::sleep_forever()
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    ipc::sleep_forever()
}
