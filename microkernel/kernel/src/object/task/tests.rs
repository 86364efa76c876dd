//! Tasks.

use l4_abi::flexpage::{Flexpage, PAGE_ORDER, Space};
use l4_abi::item::{ItemControl, ItemFlags, MapItem};
use l4_abi::rights::MemoryRights;

use super::*;
use crate::ipc::reply;
use crate::testing::{TEST_PORT, World, run};

/// Explicit reply slots and callers point to each other.
pub(crate) fn check(cpu: &Cpu, task: &Task) {
    for (_, place) in task.reply_space.range(0, u64::MAX) {
        reply::check(cpu, place);
    }
}

/// Maps ports of sigma0's from number `first` on to a task that expects them; whether there was one.
fn map_ports(world: &mut World, first: u64, order: u32) -> bool {
    let task = world.task();
    let ports = Flexpage::io_ports(0, order).with_rights(MemoryRights::RWX.bits());
    let ports = Flexpage::from_raw(ports.raw() | first << PAGE_ORDER);
    let item = MapItem {
        control: ItemControl::map(0, ItemFlags::empty()),
        flexpage: ports,
        space: Space::IoPort,
    };
    let sigma0 = world.sigma0_task();
    world.map(&sigma0, &task.task, item, ports) == Ok(true)
}

#[test]
fn a_port_is_mapped_and_forgotten_with_the_mapping_tree_locked() {
    run(|world| assert!(map_ports(world, TEST_PORT.into(), 0)));
}

#[test]
fn no_port_has_a_number_behind_the_last_one() {
    run(|world| {
        for beyond in [1_u64 << 16, 1 << 51] {
            let first = beyond + u64::from(TEST_PORT);
            assert!(!map_ports(world, first, 0) && !map_ports(world, first, 3));
        }
    });
}
