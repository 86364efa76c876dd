//! Uses everything that l4-rt offers. A check that fails panics, and so fails the system.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod channels;
mod heap;
mod memory;
mod threads;

use l4_rt::{env, println, time};

l4_rt::entry!(main);

fn main() -> l4_rt::Result {
    environment()?;
    clock();
    heap::check();
    threads::check()?;
    memory::check()?;
    channels::check()?;
    println!("all checks passed");
    Ok(())
}

fn environment() -> l4_rt::Result {
    println!("environment");
    assert!(env::task().is_valid(env::main_thread())?);
    assert!(env::task().is_valid(env::factory())?);
    assert!(env::task().is_valid(env::region_map())?);
    let missing = env::cap::<l4_sys::AnyObject>("no such name").unwrap_err();
    assert!(alloc::format!("{missing}").contains("'no such name'"));
    // Slot 0 is empty, so a missing capability fails and does not address the caller.
    assert!(
        l4_sys::Cap::<l4_sys::object::IpcGate>::at(0)
            .label()
            .is_err()
    );
    Ok(())
}

fn clock() {
    println!("clock");
    let start = time::now();
    time::sleep(core::time::Duration::from_millis(20));
    let slept = time::now() - start;
    assert!(slept.as_millis() >= 20, "slept only {slept:?}");
    // The machine's time is virtual.
    assert!(slept.as_millis() < 30, "slept {slept:?}");
}
