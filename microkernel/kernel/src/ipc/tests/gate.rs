//! Messages through gates.

use super::*;

#[test]
fn a_gate_delivers_its_label_and_the_senders_rights() {
    run(|world| {
        let pair = Pair::new(world);
        let gate = world.gate(0x1230, &pair.server);
        for (rights, label) in [
            (CapabilityRights::READ, 0x1230),
            (CapabilityRights::RW, 0x1231),
            (CapabilityRights::RS, 0x1232),
            (CapabilityRights::RWS, 0x1233),
        ] {
            let slot = world.give(&pair.client_task, gate.header(), rights);
            world.syscall(&pair.server, Syscall::wait());
            world.syscall(&pair.client, Syscall::send(slot).label(77));
            assert_eq!(world.label(&pair.server), label);
        }
    });
}

#[test]
fn an_unbound_gate_keeps_every_operation_until_it_is_bound() {
    run(|world| {
        let pair = Pair::new(world);
        let gate = world.unbound_gate();
        let slot = world.give_full(&pair.client_task, gate.header());
        let at_gate = Doing::Waits(Waiting::Gate);
        for operation in [Operation::empty(), Operation::SEND, Operation::RECEIVE] {
            let call = Syscall::new(Selector::new(slot), operation);
            assert_eq!(world.syscall(&pair.client, call), at_gate);
            pair.client.cancel(world.cpu);
            let cancelled = Doing::Failed(IpcError::SEND_CANCELED);
            assert_eq!(world.doing(&pair.client), cancelled);
            let now = call.send_timeout(Timeout::ZERO);
            let late = Doing::Failed(IpcError::SEND_TIMEOUT);
            assert_eq!(world.syscall(&pair.client, now), late);
        }
    });
}

#[test]
fn who_waits_at_a_gate_goes_on_when_it_is_bound() {
    run(|world| {
        let pair = Pair::new(world);
        let gate = world.unbound_gate();
        let slot = world.give_full(&pair.client_task, gate.header());
        world.syscall(&pair.client, Syscall::call(slot).tag(1, 0, 0));
        world.syscall(&pair.server, Syscall::wait());
        bind(world, &gate, &pair.server, 0x40);
        assert_eq!(world.doing(&pair.server), done(1, 0));
        assert_eq!(world.label(&pair.server), 0x43);
        world.syscall(&pair.server, Syscall::reply().tag(2, 0, 0));
        assert_eq!(world.doing(&pair.client), done(2, 0));
    });
}

#[test]
fn the_end_of_a_gate_ends_who_waits_there() {
    run(|world| {
        let pair = Pair::new(world);
        let gate = world.unbound_gate();
        let slot = world.give_full(&pair.client_task, gate.header());
        world.syscall(&pair.client, Syscall::call(slot));
        world.destroy(gate.header());
        let gone = Doing::Failed(IpcError::NOT_EXISTENT);
        assert_eq!(world.doing(&pair.client), gone);
    });
}

#[test]
fn a_gate_that_ends_before_those_who_waited_got_on_ends_them() {
    run(|world| {
        let pair = Pair::new(world);
        let gate = world.unbound_gate();
        let slot = world.give_full(&pair.client_task, gate.header());
        world.syscall(&pair.client, Syscall::call(slot));
        // The server is more urgent, so the client does not get on in between.
        crate::testing::set_parameters(world.cpu, &pair.server, 100, 10_000);
        world.enter(machine::event::Source::Spurious);
        bind_by(world, &pair, &gate);
        assert!(world.runs(&pair.server));
        world.destroy(gate.header());
        world.syscall(&pair.server, Syscall::sleep());
        let gone = Doing::Failed(IpcError::NOT_EXISTENT);
        assert_eq!(world.doing(&pair.client), gone);
    });
}

#[test]
fn who_waited_at_a_gate_is_cancelled_before_it_got_on() {
    run(|world| {
        let pair = Pair::new(world);
        let gate = world.unbound_gate();
        let slot = world.give_full(&pair.client_task, gate.header());
        world.syscall(&pair.client, Syscall::call(slot));
        crate::testing::set_parameters(world.cpu, &pair.server, 100, 10_000);
        world.enter(machine::event::Source::Spurious);
        bind_by(world, &pair, &gate);
        pair.client.cancel(world.cpu);
        world.syscall(&pair.server, Syscall::wait());
        let cancelled = Doing::Failed(IpcError::SEND_CANCELED);
        assert_eq!(world.doing(&pair.client), cancelled);
        assert_eq!(world.doing(&pair.server), WAITS);
    });
}

#[test]
fn a_gate_stays_bound_to_a_thread_that_ended() {
    run(|world| {
        let pair = Pair::new(world);
        let gate = world.gate(0, &pair.server);
        let slot = world.give_full(&pair.client_task, gate.header());
        world.destroy(pair.server.header());
        let gone = Doing::Failed(IpcError::NOT_EXISTENT);
        assert_eq!(world.syscall(&pair.client, Syscall::send(slot)), gone);
        let second = world.thread(&pair.server_task, 5);
        bind(world, &gate, &second, 0);
        assert_eq!(world.syscall(&pair.client, Syscall::send(slot)), SENDS);
    });
}

#[test]
fn only_a_gate_with_the_server_right_is_controlled() {
    use l4_abi::protocol::{ipc_gate::Opcode, label};
    run(|world| {
        let pair = Pair::new(world);
        let gate = world.gate(0x80, &pair.server);
        let full = world.give_full(&pair.client_task, gate.header());
        let plain = CapabilityRights::FULL.difference(CapabilityRights::IPC_GATE_SERVER);
        let plain = world.give(&pair.client_task, gate.header(), plain);
        world.write(&pair.client, &[Opcode::GetInfo as u64]);
        let info = |slot| Syscall::invoke(slot, label::KERNEL_OBJECT, 1);
        assert_eq!(world.syscall(&pair.client, info(full)), done(0, 1));
        assert_eq!(world.word(&pair.client, 0), 0x80);
        assert_eq!(world.syscall(&pair.client, info(plain)), SENDS);
    });
}

/// The server binds the gate to itself, with all rights.
fn bind_by(world: &mut World, pair: &Pair, gate: &Ref<crate::object::ipc_gate::IpcGate>) {
    bind_from(
        world,
        &pair.server,
        &pair.server_task,
        gate,
        &pair.server,
        0,
    );
}

/// Somebody binds the gate.
fn bind(
    world: &mut World,
    gate: &Ref<crate::object::ipc_gate::IpcGate>,
    thread: &Ref<Thread>,
    label: u64,
) {
    let task = world.task();
    let binder = world.thread(&task, 10);
    bind_from(world, &binder, &task, gate, thread, label);
    world.destroy(binder.header());
}

fn bind_from(
    world: &mut World,
    binder: &Thread,
    task: &TestTask,
    gate: &Ref<crate::object::ipc_gate::IpcGate>,
    thread: &Ref<Thread>,
    label: u64,
) {
    use l4_abi::protocol::{ipc_gate::Opcode, label};
    let slot = world.give_full(task, gate.header());
    let argument = world.give_full(task, thread.header());
    let words = [Opcode::BindThread as u64, label];
    let result = world.invoke(binder, slot, label::KERNEL_OBJECT, &words, Some(argument));
    assert_eq!(result, 0);
}
