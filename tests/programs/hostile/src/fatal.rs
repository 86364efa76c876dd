//! Attacks that end the attacker.

use core::hint::black_box;

use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::protocol::thread::ExRegsFlags;
use l4_memory::Shared;
use l4_rt::{env, println};
use l4_sys::object::Control;
use l4_sys::{Object, ipc};
use l4re::mem_alloc::DataspaceFlags;

/// Runs into the guard page.
pub(crate) fn use_up_the_stack() -> l4_rt::Result {
    recurse(0);
    Ok(())
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + depth
}

/// Uses memory whose allocator it destroyed: moe has taken it back.
pub(crate) fn use_revoked_memory() -> l4_rt::Result {
    let allocator = env::mem_alloc().create_mem_alloc(256 << 10)?;
    let dataspace = allocator.create_dataspace(16 << 10, DataspaceFlags::empty(), 0)?;
    let memory = Shared::writable(dataspace.as_cap())?;
    memory.write_word(0, 0x1234);
    allocator.delete();
    if dataspace.size().is_ok() {
        println!("the dataspace outlives its allocator");
    }
    println!("memory still holds {:#x}", memory.read_word(0));
    Ok(())
}

/// Starts a thread with registers that make no sense.
pub(crate) fn start_an_absurd_thread() -> l4_rt::Result {
    let utcbs = l4_abi::l4re::UTCB_AREA_START + l4_abi::utcb::SIZE as u64;
    let pager = env::region_map().selector();
    let thread = env::factory().create_thread()?;
    thread.control(Control {
        pager: Some(pager),
        exception_handler: Some(pager),
        bind: Some((env::task(), utcbs as usize)),
        alien: None,
    })?;
    env::scheduler().run_thread(thread.as_cap(), CpuSet::ALL, 255, 0)?;
    let keep = ExRegsFlags::empty();
    thread.ex_regs(Some(u64::MAX - 1), Some(u64::MAX - 15), keep)?;
    ipc::sleep_forever()
}
