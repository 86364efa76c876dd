//! Typed items of capabilities.

use super::*;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{BufferFlags, ItemControl, ItemFlags, MapItem, ReceiveBuffer, SendItem};

/// A slot of the receiver that has nothing in it.
const SLOT: u64 = 0x20;

/// Sends a semaphore from client to server: its slot in the client's task.
struct Transfer {
    pair: Pair,
    semaphore: Ref<crate::object::semaphore::Semaphore>,
    slot: u64,
}

impl Transfer {
    fn new(world: &mut World) -> Self {
        let pair = Pair::new(world);
        let semaphore = world.semaphore();
        let slot = world.give_full(&pair.client_task, semaphore.header());
        Self {
            pair,
            semaphore,
            slot,
        }
    }

    /// The server waits with these buffers.
    fn wait(&self, world: &mut World, buffers: &[u64]) {
        world.write_buffers(&self.pair.server, buffers);
        assert_eq!(world.syscall(&self.pair.server, Syscall::wait()), WAITS);
    }

    /// The client sends these items, and no words.
    fn send(&self, world: &mut World, items: &[[u64; 2]]) -> Doing {
        self.send_through(world, self.pair.to_server, items)
    }

    fn send_through(&self, world: &mut World, through: u64, items: &[[u64; 2]]) -> Doing {
        world.write(&self.pair.client, items.as_flattened());
        let call = Syscall::send(through).tag(0, 0, items.len());
        world.syscall(&self.pair.client, call)
    }

    fn item(&self, rights: CapabilityRights) -> [u64; 2] {
        SendItem::Map(MapItem::capability(self.slot, rights)).words()
    }

    fn received(&self, world: &World) -> Option<CapabilityRights> {
        world.rights(&self.pair.server_task, SLOT, self.semaphore.header())
    }
}

const OVERFLOW: Doing = Doing::Failed(IpcError::SEND_OVERFLOW);
const RECEIVE_OVERFLOW: Doing = Doing::Failed(IpcError::RECEIVE_OVERFLOW);

#[test]
fn a_capability_arrives_with_the_rights_that_are_sent() {
    run(|world| {
        let transfer = Transfer::new(world);
        for rights in [CapabilityRights::READ, CapabilityRights::RWS] {
            transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, false)]);
            transfer.send(world, &[transfer.item(rights)]);
            let received = transfer.received(world).expect("it arrived");
            let nibble = received.intersection(CapabilityRights::RWSD);
            assert_eq!(nibble, rights);
            assert_eq!(world.word(&transfer.pair.server, 0) & 0x3e, 0x38);
        }
    });
}

#[test]
fn the_special_right_passes_only_through_a_special_capability() {
    run(|world| {
        let transfer = Transfer::new(world);
        let server = transfer.pair.server.header();
        let plain = world.give(&transfer.pair.client_task, server, CapabilityRights::RW);
        transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, false)]);
        transfer.send_through(world, plain, &[transfer.item(CapabilityRights::RWS)]);
        let received = transfer.received(world).expect("it arrived");
        assert!(!received.contains(CapabilityRights::SPECIAL));
        assert!(received.contains(CapabilityRights::RW));
    });
}

#[test]
fn without_the_read_right_and_from_an_empty_slot_nothing_is_mapped() {
    run(|world| {
        let transfer = Transfer::new(world);
        let empty = SendItem::Map(MapItem::capability(0x77, CapabilityRights::RWS)).words();
        for item in [transfer.item(CapabilityRights::WRITE), empty] {
            transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, false)]);
            transfer.send(world, &[item]);
            assert_eq!(transfer.received(world), None);
            assert_eq!(world.word(&transfer.pair.server, 0) & 0x3e, 0x3a);
        }
    });
}

#[test]
fn a_granted_capability_leaves_the_sender() {
    run(|world| {
        let transfer = Transfer::new(world);
        transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, false)]);
        let [control, flexpage] = transfer.item(CapabilityRights::RWS);
        let grant = control | ItemFlags::GRANT.bits();
        transfer.send(world, &[[grant, flexpage]]);
        assert!(transfer.received(world).is_some());
        let header = transfer.semaphore.header();
        let task = &transfer.pair.client_task;
        assert_eq!(world.rights(task, transfer.slot, header), None);
    });
}

#[test]
fn items_without_buffers_fail_on_both_sides_and_stay_done_before() {
    run(|world| {
        let transfer = Transfer::new(world);
        transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, false), 0]);
        let item = transfer.item(CapabilityRights::RWS);
        assert_eq!(transfer.send(world, &[item, item]), OVERFLOW);
        assert_eq!(world.doing(&transfer.pair.server), RECEIVE_OVERFLOW);
        assert!(transfer.received(world).is_some());
    });
}

#[test]
fn malformed_items_fail() {
    run(|world| {
        let transfer = Transfer::new(world);
        let [control, flexpage] = transfer.item(CapabilityRights::RWS);
        let all = Flexpage::ALL_SPACES.raw();
        for item in [[1, flexpage], [control, 0], [control, all], [2, 0]] {
            transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, false)]);
            assert_eq!(transfer.send(world, &[item]), OVERFLOW, "{item:x?}");
            assert_eq!(world.doing(&transfer.pair.server), RECEIVE_OVERFLOW);
        }
    });
}

#[test]
fn items_end_with_the_message_registers() {
    run(|world| {
        let transfer = Transfer::new(world);
        let item = transfer.item(CapabilityRights::RWS);
        for (words, void, fits) in [
            (61, false, true),
            (62, false, false),
            (62, true, true),
            (63, true, false),
        ] {
            transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, false)]);
            let utcb = transfer.pair.client.utcb(world.cpu);
            for (offset, word) in item.into_iter().enumerate() {
                utcb.set_word(words + offset, if void { 0 } else { word });
            }
            let call = Syscall::send(transfer.pair.to_server).tag(0, words, 1);
            let failed = world.syscall(&transfer.pair.client, call) == OVERFLOW;
            assert_eq!(failed, !fits, "{words} words");
        }
        for items in [32, 63] {
            transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, false)]);
            world.write(&transfer.pair.client, &[0; 63]);
            let call = Syscall::send(transfer.pair.to_server).tag(0, 0, items);
            let doing = world.syscall(&transfer.pair.client, call);
            assert_eq!(doing == OVERFLOW, items > 32);
        }
    });
}

#[test]
fn a_compound_item_leaves_the_buffer_to_the_next() {
    run(|world| {
        let transfer = Transfer::new(world);
        let other = world.semaphore();
        let slot = world.give_full(&transfer.pair.client_task, other.header());
        let [control, flexpage] = transfer.item(CapabilityRights::RW);
        let first = [control | ItemFlags::COMPOUND.bits(), flexpage];
        let second = SendItem::Map(MapItem::capability(slot, CapabilityRights::RW)).words();
        transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, false)]);
        assert_eq!(transfer.send(world, &[first, second]), done_items(2));
        let task = &transfer.pair.server_task;
        assert!(world.rights(task, SLOT, other.header()).is_some());
    });
}

fn done_items(items: usize) -> Doing {
    Doing::Done(MessageTag::new(0, 0, items, TagFlags::empty()))
}

#[test]
fn the_hot_spot_chooses_the_place_in_a_larger_window() {
    run(|world| {
        let transfer = Transfer::new(world);
        let window = Flexpage::objects(0x40, 4, CapabilityRights::empty()).raw();
        transfer.wait(world, &[ReceiveBuffer::WINDOW_WORD, window]);
        let mut item = MapItem::capability(transfer.slot, CapabilityRights::RWS);
        item.control = ItemControl::map(5 << 12, ItemFlags::OBJECT_1);
        transfer.send(world, &[SendItem::Map(item).words()]);
        let (task, header) = (&transfer.pair.server_task, transfer.semaphore.header());
        assert!(world.rights(task, 0x45, header).is_some());
    });
}

#[test]
fn a_local_id_is_delivered_for_the_own_gate_only() {
    run(|world| {
        let transfer = Transfer::new(world);
        let gate = world.gate(0x550, &transfer.pair.server);
        let slot = world.give_full(&transfer.pair.client_task, gate.header());
        let item = SendItem::Map(MapItem::capability(slot, CapabilityRights::RW)).words();
        transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, true)]);
        transfer.send(world, &[item]);
        assert_eq!(world.word(&transfer.pair.server, 0) & 0x3e, 0x3c);
        assert_eq!(world.word(&transfer.pair.server, 1), 0x551);
        let task = &transfer.pair.server_task;
        assert_eq!(world.rights(task, SLOT, gate.header()), None);

        transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, true)]);
        transfer.send(world, &[transfer.item(CapabilityRights::RW)]);
        assert!(transfer.received(world).is_some());
    });
}

#[test]
fn a_buffer_may_name_another_task_if_it_may_write_there() {
    run(|world| {
        let transfer = Transfer::new(world);
        let other = world.task();
        let forward = ReceiveBuffer::slot_word(SLOT, false) | BufferFlags::FORWARD.bits();
        for (rights, allowed) in [
            (CapabilityRights::RW, true),
            (CapabilityRights::READ, false),
        ] {
            let slot = world.give(&transfer.pair.server_task, other.header(), rights);
            transfer.wait(world, &[forward, Selector::new(slot).raw()]);
            let doing = transfer.send(world, &[transfer.item(CapabilityRights::RW)]);
            assert_eq!(doing == OVERFLOW, !allowed);
            assert_eq!(transfer.received(world), None);
        }
        let arrived = world.rights(&other, SLOT, transfer.semaphore.header());
        assert!(arrived.is_some());
    });
}

#[test]
fn a_capability_for_a_task_that_is_gone_is_lost() {
    run(|world| {
        let transfer = Transfer::new(world);
        transfer.wait(world, &[ReceiveBuffer::slot_word(SLOT, false)]);
        world.destroy(transfer.pair.server_task.header());
        // Its thread goes on until it faults.
        transfer.send(world, &[transfer.item(CapabilityRights::RWS)]);
        assert_eq!(transfer.received(world), None);
    });
}

#[test]
fn no_memory_for_the_receivers_slots_fails_on_both_sides() {
    run(|world| {
        let transfer = Transfer::new(world);
        let heap = &world.cpu.kernel.heap;
        let quota = heap.new_quota(world.quota, 0x1_0000).expect("a quota");
        let area = Flexpage::memory(0x10_0000, 12, l4_abi::rights::MemoryRights::empty());
        let task = crate::object::task::Task::create(world.cpu, quota).expect("enough quota");
        world.add_area(&task, area);
        heap.close_quota(quota);
        let slot = world.give_full(&transfer.pair.server_task, task.header());
        let forward = ReceiveBuffer::slot_word(SLOT, false) | BufferFlags::FORWARD.bits();
        transfer.wait(world, &[forward, Selector::new(slot).raw()]);
        let doing = transfer.send(world, &[transfer.item(CapabilityRights::RW)]);
        assert_eq!(doing, Doing::Failed(IpcError::SEND_MAP_FAILED));
        let server = world.doing(&transfer.pair.server);
        assert_eq!(server, Doing::Failed(IpcError::RECEIVE_MAP_FAILED));
    });
}
