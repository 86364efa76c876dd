//! The one that must not notice anything.

use core::time::Duration;

use l4_memory::Shared;
use l4_rt::{env, println, thread, time};
use l4re::mem_alloc::DataspaceFlags;

const ROUNDS: u32 = 80;
const PAUSE: Duration = Duration::from_millis(10);
/// A round takes a few milliseconds of the machine's virtual time; with somebody in the way it takes much longer.
const PATIENCE: Duration = Duration::from_millis(50);
const MEMORY: u64 = 64 << 10;

/// Does everyday work for a while, and fails if that fails or takes too long.
pub(crate) fn run() -> l4_rt::Result {
    for _ in 0..ROUNDS {
        let start = time::now();
        work()?;
        let duration = time::now() - start;
        if duration > PATIENCE {
            return Err(alloc::format!("a round took {} ms", duration.as_millis()).into());
        }
        time::sleep(PAUSE);
    }
    println!("the witness noticed nothing");
    Ok(())
}

fn work() -> l4_rt::Result {
    let dataspace = env::mem_alloc().create_dataspace(MEMORY, DataspaceFlags::empty(), 0)?;
    let memory = Shared::writable(dataspace.as_cap())?;
    for offset in (0..MEMORY).step_by(4096) {
        if memory.read_word(offset) != 0 {
            return Err("new memory is not empty".into());
        }
        memory.write_word(offset, offset);
    }
    drop(env::factory().create_semaphore()?);
    Ok(thread::spawn(|| ())?.join()?)
}
