//! Makes tasks of its own, which do the same with less: a tree of components.
//!
//! The argument says how many levels there are below. Each node has two children, gives each a part
//! of its own memory, kernel memory and priority, and ends with the number of nodes of its subtree.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod child;

use l4_rt::{env, println};
use l4re::mem_alloc::DataspaceFlags;

use child::Child;

l4_rt::entry!(main);

const CHILDREN: usize = 2;

fn main() -> l4_rt::Result<i32> {
    let levels: u32 = env::args().nth(1).unwrap_or("0").parse()?;
    let is_root = env::args().nth(2).is_none();
    check_limits()?;
    let mut nodes = 1;
    if levels > 0 {
        let mut children = [const { None }; CHILDREN];
        for (index, child) in children.iter_mut().enumerate() {
            *child = Some(Child::start(index, levels - 1)?);
        }
        for _ in 0..CHILDREN {
            nodes += child::wait_for_end()?;
        }
    }
    println!("{nodes} nodes, {levels} levels below");
    Ok(if is_root { 0 } else { nodes })
}

/// A node cannot get out of its quotas by asking for parts of them.
fn check_limits() -> l4_rt::Result {
    let memory = env::mem_alloc();
    let usage = memory.info()?;
    if memory.create_mem_alloc(usage.memory_limit + 1).is_ok() {
        return Err("a part is larger than the whole".into());
    }
    if memory
        .create_dataspace(usage.memory_limit, DataspaceFlags::PINNED, 0)
        .is_ok()
    {
        return Err("a dataspace is larger than the quota".into());
    }
    if env::factory().create_factory(1 << 40).is_ok() {
        return Err("a part of the kernel memory is larger than the whole".into());
    }
    Ok(())
}
