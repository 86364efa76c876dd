//! Threads that are cancelled or end on another CPU.

use super::*;

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
