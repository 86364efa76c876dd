//! Threads that are cancelled or end on another CPU.

use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::protocol::ipc_gate::Opcode as BindOpcode;

use super::*;
use crate::testing::Meanwhile;

#[test]
fn cancelling_finds_a_thread_wherever_it_is() {
    run_on(3, |world| {
        let setup = set_up(world);
        let task = world.task();
        let canceller = world.on(2).thread(&task, 5);
        let cancel = [1 | 0x1_0000, u64::MAX, u64::MAX];
        let header = setup.client.header();
        let expect = |world: &mut World, expected| {
            let by = (&*canceller, &task);
            let doing = invoke(world, by, header, label::THREAD, &cancel, None);
            assert!(matches!(doing, Doing::Done(_)), "{doing:?}");
            assert_eq!(world.doing(&setup.client), error(expected));
            assert!(world.runs(&setup.client));
        };
        world.syscall(&setup.client, Syscall::send(setup.gate));
        expect(world, IpcError::SEND_CANCELED);
        world.syscall(&setup.client, Syscall::send(setup.gate));
        world.deliver_all();
        expect(world, IpcError::SEND_CANCELED);
        world.syscall(&setup.server, Syscall::wait());
        world.syscall(&setup.client, Syscall::call(setup.gate));
        world.deliver_all();
        expect(world, IpcError::RECEIVE_CANCELED);
        let late = world.syscall(&setup.server, Syscall::reply());
        assert_eq!(late, error(IpcError::NOT_EXISTENT));
    });
}

#[test]
fn who_waits_for_a_thread_that_dies_is_told_on_any_cpu() {
    run_on(3, |world| {
        let setup = set_up(world);
        let sender = world.on(2).thread(&setup.client_task, 5);
        call(world, &setup);
        world.syscall(&sender, Syscall::send(setup.gate));
        world.deliver_all();
        assert_eq!(world.doing(&sender), Doing::Waits(Waiting::Send));
        world.on(0).destroy(setup.server.header());
        world.deliver_all();
        assert_eq!(world.doing(&setup.server), Doing::Dead);
        assert_eq!(
            world.doing(&setup.client),
            error(IpcError::RECEIVE_CANCELED)
        );
        assert_eq!(world.doing(&sender), error(IpcError::SEND_CANCELED));
        assert!(world.runs(&setup.client) && world.runs(&sender));
    });
}

#[test]
fn who_destroys_a_thread_goes_on_when_it_runs_no_more() {
    run_on(2, |world| {
        let setup = set_up(world);
        world.syscall(&setup.server, Syscall::wait());
        let victim = world.on(1).thread(&setup.server_task, 9);
        assert!(world.runs(&victim));
        let slot = world.give_full(&setup.client_task, victim.header());
        let own = world.give_full(&setup.client_task, setup.client_task.header());
        let page = Flexpage::object(slot, CapabilityRights::FULL);
        let words = [1, 0xc000_0000, page.raw()];
        world
            .on(0)
            .start_invocation(&setup.client, own, label::TASK, &words, None);
        assert!(world.runs(&victim) && !world.runs(&setup.client));
        world.deliver(1);
        assert_eq!(world.doing(&victim), Doing::Dead);
        world.deliver_all();
        assert!(world.runs(&setup.client));
    });
}

#[test]
fn who_destroys_threads_of_several_cpus_visits_each_of_them_once() {
    run_on(4, |world| {
        let setup = set_up(world);
        world.syscall(&setup.server, Syscall::wait());
        let victims = [1, 2, 3].map(|cpu| world.on(cpu).thread(&setup.server_task, 9));
        let own = world.give_full(&setup.client_task, setup.client_task.header());
        let pages = victims.each_ref().map(|victim| {
            let slot = world.give_full(&setup.client_task, victim.header());
            Flexpage::object(slot, CapabilityRights::FULL).raw()
        });
        let words = [1, 0xc000_0000, pages[0], pages[1], pages[2]];
        world
            .on(0)
            .start_invocation(&setup.client, own, label::TASK, &words, None);
        // Behind the letters that end them.
        for cpu in [1, 2, 3] {
            assert_eq!(setup.client.home(), cpu);
            assert!(!world.runs(&setup.client));
            world.deliver(cpu as usize);
        }
        for victim in &victims {
            assert_eq!(world.doing(victim), Doing::Dead);
        }
        world.deliver(0);
        assert!(world.runs(&setup.client));
    });
}

#[test]
fn a_thread_dies_in_every_state_on_another_cpu() {
    for state in 0..7 {
        run_on(2, |world| {
            let setup = set_up(world);
            match state {
                // Runs.
                0 => {}
                // Waits for a message.
                1 => drop(world.syscall(&setup.client, Syscall::wait())),
                // On its way, waits to send, waits for the answer.
                2 => drop(world.syscall(&setup.client, Syscall::call(setup.gate))),
                3 => {
                    world.syscall(&setup.client, Syscall::call(setup.gate));
                    world.deliver_all();
                }
                4 => call(world, &setup),
                // Its answer is on its way.
                5 => {
                    call(world, &setup);
                    world.syscall(&setup.server, Syscall::reply());
                }
                // It moves.
                _ => {
                    let client = &*setup.client;
                    scheduling::migrate(world.on(0).cpu, client, 1);
                    world.enter(Event::Spurious);
                }
            }
            world.on(1).destroy(setup.client.header());
            world.deliver_all();
            assert_eq!(world.doing(&setup.client), Doing::Dead, "state {state}");
        });
    }
}

#[test]
fn what_ends_on_one_cpu_is_freed_when_the_others_have_passed() {
    run_on(2, |world| {
        let before = world.used();
        let semaphore = world.semaphore();
        world.destroy(semaphore.header());
        drop(semaphore);
        world.deliver_all();
        for id in [1, 0, 1, 0] {
            world.on(id).enter(Event::Ipi);
        }
        assert_eq!(world.used(), before);
    });
}

#[test]
fn a_quota_stays_until_no_cpu_can_have_it_from_its_factory() {
    run_on(2, |world| {
        let setup = set_up(world);
        assert!(world.runs(&setup.server) && setup.server.home() == 1);
        let before = world.used();
        let factory = world.on(0).factory(0x1000);
        let (with_factory, quota) = (world.used(), factory.quota());
        crate::object::doom(world.cpu, factory.header());
        drop(factory);
        world.enter(Event::Spurious);
        // CPU 1 may have been making an object all the time.
        assert_eq!(world.used(), with_factory);
        let heap = &world.cpu.kernel.heap;
        let storage = heap.allocate_charged(quota, 64).expect("it is open");
        heap.free_charged(quota, storage);
        world.deliver_all();
        for id in [1, 0, 1, 0] {
            world.on(id).enter(Event::Ipi);
        }
        assert_eq!(world.used(), before);
    });
}

/// Does `test` with every number of moments that pass before something happens in the middle of an
/// entry; it says whether that has happened.
fn at_every_moment(cpus: usize, mut test: impl FnMut(&mut World, usize) -> bool) {
    let mut moments = 0;
    let mut has_happened = true;
    while has_happened {
        run_on(cpus, |world| has_happened = test(world, moments));
        moments += 1;
    }
    assert!(moments > 3, "nothing happens in the middle");
}

#[test]
fn a_sender_whose_time_is_over_while_its_receiver_dies_is_told_once() {
    at_every_moment(3, |world, moments| {
        let setup = set_up(world);
        let send = Syscall::send(setup.gate).send_timeout(Timeout::from_micros(10));
        world.syscall(&setup.client, send);
        world.deliver_all();
        let by = world.on(2).thread(&setup.client_task, 5);
        run_thread(world, (&by, &setup.client_task), &setup.server, 2);
        assert_eq!((setup.client.home(), setup.server.home()), (1, 2));
        // In the middle of the receiver's end.
        world.on(2).cpu.kernel.platform.timer.advance(10);
        world.meanwhile(moments, 1, Meanwhile::Interrupt(Event::Timer));
        world.destroy(setup.server.header());
        let has_happened = world.has_happened;
        let told = world.doing(&setup.client);
        world.deliver_all();
        if told != Doing::Waits(Waiting::Send) {
            assert_eq!(world.doing(&setup.client), told);
        }
        has_happened
    });
}

#[test]
fn a_slot_that_is_filled_anew_while_its_object_ends_stays_full() {
    at_every_moment(2, |world, moments| {
        let setup = set_up(world);
        let (semaphore, other) = (world.semaphore(), world.semaphore());
        let slots =
            [&semaphore, &other].map(|object| world.give_full(&setup.server_task, object.header()));
        let own = world.give_full(&setup.server_task, setup.server_task.header());
        let base = ItemControl::map(slots[0] << 12, ItemFlags::empty()).raw();
        let from = Flexpage::object(slots[1], CapabilityRights::RWS).raw();
        world.prepare(|world| {
            let words = [0, base, from];
            world.start_invocation(&setup.server, own, label::TASK, &words, Some(own));
        });
        world.on(0).meanwhile(moments, 1, Meanwhile::Syscall);
        world.destroy(semaphore.header());
        let has_happened = world.has_happened;
        let entry = (setup.server_task.task.capabilities).lookup(world.cpu, slots[0]);
        let is_other = entry.is_some_and(|entry| entry.object.is(other.header()));
        assert_eq!(is_other, has_happened);
        world.deliver_all();
        has_happened
    });
}

#[test]
fn a_gate_that_ends_while_it_is_bound_tells_its_thread_or_is_not_bound() {
    at_every_moment(2, |world, moments| {
        let setup = set_up(world);
        let (gate, irq) = (world.unbound_gate(), world.irq());
        setup.client.deletion_irq.replace(Some(irq.clone()));
        let [binds, binds_to] = [gate.header(), setup.client.header()]
            .map(|header| world.give_full(&setup.client_task, header));
        let [ends, own] = [gate.header(), setup.server_task.header()]
            .map(|header| world.give_full(&setup.server_task, header));
        world.prepare(|world| {
            let page = Flexpage::object(ends, CapabilityRights::FULL);
            let words = [1, 0xc000_0000, page.raw()];
            world.start_invocation(&setup.server, own, label::TASK, &words, None);
        });
        world.on(0).meanwhile(moments, 1, Meanwhile::Syscall);
        let (bind, to) = ([BindOpcode::BindThread as u64, LABEL], Some(binds_to));
        let client = &setup.client;
        let bound = world.start_invocation(client, binds, label::KERNEL_OBJECT, &bind, to);
        let has_happened = world.has_happened;
        world.deliver_all();
        let expected = [DONE, error(IpcError::NOT_EXISTENT)];
        assert!(expected.contains(&bound), "{bound:?}");
        assert_eq!(irq.status().pending, has_happened && bound == DONE);
        has_happened
    });
}

#[test]
fn who_is_cancelled_at_a_gate_that_another_cpu_has_just_bound_does_not_send() {
    run_on(2, |world| {
        let setup = set_up(world);
        let gate = world.unbound_gate();
        let slot = world.give_full(&setup.server_task, gate.header());
        let at_gate = world.syscall(&setup.server, Syscall::call(slot));
        assert_eq!(at_gate, Doing::Waits(Waiting::Gate));
        let [binds, binds_to] = [gate.header(), setup.client.header()]
            .map(|header| world.give_full(&setup.client_task, header));
        let (bind, to) = ([BindOpcode::BindThread as u64, LABEL], Some(binds_to));
        world.invoke(&setup.client, binds, label::KERNEL_OBJECT, &bind, to);
        let by = world.on(1).thread(&setup.server_task, 5);
        let slot = world.give_full(&setup.server_task, setup.server.header());
        let cancel = [1 | 0x1_0000, u64::MAX, u64::MAX];
        world.invoke(&by, slot, label::THREAD, &cancel, None);
        world.deliver_all();
        assert_eq!(world.doing(&setup.server), error(IpcError::SEND_CANCELED));
    });
}
