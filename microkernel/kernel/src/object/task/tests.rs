//! Tasks.

use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::{ItemControl, ItemFlags, MapItem};

use super::*;
use crate::ipc::reply;
use crate::testing::{TEST_PORT, run};

/// Explicit reply slots and callers point to each other.
pub(crate) fn check(cpu: &Cpu, task: &Task) {
    for (_, place) in task.reply_space.range(0, u64::MAX) {
        reply::check(cpu, place);
    }
}

#[test]
fn a_port_is_mapped_and_forgotten_with_the_mapping_tree_locked() {
    run(|world| {
        let task = world.task();
        let whole = Flexpage::io_ports(0, Flexpage::WHOLE_IO_PORT_ORDER);
        let item = MapItem {
            control: ItemControl::map(0, ItemFlags::empty()),
            flexpage: Flexpage::io_ports(TEST_PORT, 0).with_rights(7),
            space: Space::IoPort,
        };
        let mapped = world.map(&world.sigma0_task(), &task.task, item, whole);
        assert_eq!(mapped, Ok(true));
    });
}
