//! Interrupts and semaphores that wake threads of other CPUs.

use l4_abi::protocol::icu::{Mode, Opcode as IcuOpcode};

use super::*;

#[test]
fn an_interrupt_wakes_a_thread_of_another_cpu() {
    run_on(2, |world| {
        let setup = set_up(world);
        let irq = world.irq();
        let bind = [0x10, 0x123];
        let thread = Some(setup.server.header());
        let by = (&*setup.client, &setup.client_task);
        let doing = invoke(world, by, irq.header(), label::KERNEL_OBJECT, &bind, thread);
        assert_eq!(doing, DONE);
        world.syscall(&setup.server, Syscall::wait());
        world.on(0);
        irq.hit(&*world.cpu);
        world.enter(Event::Spurious);
        assert!(world.is_interrupted(1));
        world.deliver_all();
        assert_eq!(world.doing(&setup.server), DONE);
        assert_eq!(world.label(&setup.server), 0x123);
        // While it does not wait, its message stays.
        world.on(0);
        irq.hit(&*world.cpu);
        irq.hit(&*world.cpu);
        world.enter(Event::Spurious);
        world.deliver_all();
        assert_eq!(world.syscall(&setup.server, Syscall::wait()), DONE);
        let again = world.syscall(&setup.server, Syscall::wait());
        assert_eq!(again, Doing::Waits(Waiting::Receive(Source::Anyone)));
    });
}

/// A level that is not masked would interrupt the new CPU too, for what the
/// old one has told of.
#[test]
fn a_pin_follows_the_thread_to_its_cpu_once_its_level_is_masked() {
    run_on(2, |world| {
        let setup = set_up(world);
        let icu = world.initial_object(l4_abi::capability::slot::ICU);
        let irq = world.irq();
        let by = (&*setup.client, &setup.client_task);
        let bind = invoke(world, by, &icu, label::IRQ, &[0, 3], Some(irq.header()));
        assert_eq!(bind, DONE);
        let thread = Some(setup.server.header());
        invoke(
            world,
            by,
            irq.header(),
            label::KERNEL_OBJECT,
            &[0x10, 1],
            thread,
        );
        let kernel = world.cpu.kernel;
        let level = [IcuOpcode::SetMode as u64, 3, Mode::LEVEL_HIGH.bits()];
        invoke(world, by, &icu, label::IRQ, &level, None);
        irq.pin.unmask(world.cpu);
        let pin = || kernel.platform.chip.pin(3);
        assert_eq!(pin().cpu, kernel.hardware_id(1));
        run_thread(world, by, &setup.server, 0);
        assert!(!pin().masked);
        world.on(1).enter(Event::Pin(3));
        assert_eq!(pin().cpu, kernel.hardware_id(0));
        assert!(pin().sent_masked);
    });
}

#[test]
fn a_semaphore_wakes_one_waiter_of_any_cpu() {
    run_on(2, |world| {
        let setup = set_up(world);
        let semaphore = world.semaphore();
        let slot = world.give_full(&setup.server_task, semaphore.header());
        let down = |world: &mut World, receive| {
            world.write(&setup.server, &[0]);
            let down = Syscall::invoke(slot, label::SEMAPHORE, 1);
            world.syscall(&setup.server, down.receive_timeout(receive))
        };
        let waits = Doing::Waits(Waiting::Semaphore);
        assert_eq!(down(world, Timeout::NEVER), waits);
        semaphore.up(world.on(0).cpu);
        world.enter(Event::Spurious);
        assert_eq!(world.doing(&setup.server), waits);
        world.deliver_all();
        assert_eq!(world.doing(&setup.server), DONE);
        // Raised just before the time is over: the raise counts.
        assert_eq!(down(world, Timeout::from_micros(10)), waits);
        semaphore.up(world.on(0).cpu);
        world.enter(Event::Spurious);
        world.advance(10);
        assert_eq!(world.doing(&setup.server), waits);
        world.deliver_all();
        assert_eq!(world.doing(&setup.server), DONE);
        // Raised for one that is just killed: another one has it.
        assert_eq!(down(world, Timeout::NEVER), waits);
        semaphore.up(world.on(0).cpu);
        world.enter(Event::Spurious);
        world.on(1).destroy(setup.server.header());
        world.deliver_all();
        let own = world.give_full(&setup.client_task, semaphore.header());
        let answer = world.invoke(&setup.client, own, label::SEMAPHORE, &[0], None);
        assert_eq!(answer, 0);
        // Destroyed.
        let waiter = world.on(1).thread(&setup.server_task, 5);
        world.write(&waiter, &[0]);
        let waiting = world.syscall(&waiter, Syscall::invoke(slot, label::SEMAPHORE, 1));
        assert_eq!(waiting, waits);
        world.on(0).destroy(semaphore.header());
        world.deliver_all();
        assert_eq!(world.doing(&waiter), error(IpcError::NOT_EXISTENT));
    });
}

#[test]
fn many_letters_let_other_interrupts_in() {
    run_on(2, |world| {
        let task = world.task();
        let server = world.on(1).thread(&task, 5);
        let gate = world.gate(LABEL, &server);
        let slot = world.give_full(&task, gate.header());
        let clients: Vec<_> = (0..12).map(|_| world.on(0).thread(&task, 5)).collect();
        for client in &clients {
            world.syscall(client, Syscall::send(slot));
        }
        world.deliver(1);
        let waits = Doing::Waits(Waiting::Send);
        let there = |world: &World| {
            let waiting = clients.iter().filter(|client| world.doing(client) == waits);
            waiting.count()
        };
        assert!((1..12).contains(&there(world)));
        assert!(world.is_interrupted(1), "it tells itself of the rest");
        world.deliver_all();
        assert_eq!(there(world), 12);
        // First come, first served.
        for client in &clients {
            world.syscall(&server, Syscall::wait());
            world.deliver_all();
            assert!(world.doing(client) == DONE);
        }
    });
}
