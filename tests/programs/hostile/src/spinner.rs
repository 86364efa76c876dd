//! Asks for the highest priority there is, and then never stops.

use core::hint;

use l4_abi::protocol::scheduler::CpuSet;
use l4_rt::{env, println};

/// Whatever the scheduler grants, it is below that of the witness.
pub(crate) fn run() -> l4_rt::Result {
    let scheduler = env::scheduler();
    scheduler.run_thread(env::main_thread(), CpuSet::ALL, 255, u64::MAX)?;
    println!("spinning");
    loop {
        // Not `spin_loop`: QEMU leaves what it has translated at each of those.
        hint::black_box(());
    }
}
