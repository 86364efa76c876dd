//! Goes on while another component has used everything up that it may.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use l4_memory::Shared;
use l4_rt::{env, println, thread};
use l4re::mem_alloc::DataspaceFlags;
use quota_interface::Glutton;

l4_rt::entry!(main);

const MEMORY: u64 = 1 << 20;
const OBJECTS: usize = 100;

fn main() -> l4_rt::Result {
    let glutton = env::cap::<Glutton>("glutton")?;
    live()?;
    let memory = glutton.eat_memory()?;
    println!("the glutton took {memory} bytes of memory");
    live()?;
    let objects = glutton.eat_kernel_memory()?;
    println!("the glutton made {objects} kernel objects");
    live()?;
    glutton.burst()?;
    // It fails now, and is removed: who calls it hears so.
    if glutton.eat_memory().is_ok() {
        return Err("the glutton lives on".into());
    }
    live()?;
    println!("the bystander lives on");
    Ok(())
}

/// Takes memory, kernel objects and a thread, uses them, and gives them back.
fn live() -> l4_rt::Result {
    let dataspace = env::mem_alloc().create_dataspace(MEMORY, DataspaceFlags::empty(), 0)?;
    let memory = Shared::writable(dataspace.as_cap())?;
    for offset in (0..MEMORY).step_by(4096) {
        memory.write_word(offset, offset);
    }
    let objects: Result<Vec<_>, _> = (0..OBJECTS)
        .map(|_| env::factory().create_semaphore())
        .collect();
    drop(objects?);
    Ok(thread::spawn(|| ())?.join()?)
}
