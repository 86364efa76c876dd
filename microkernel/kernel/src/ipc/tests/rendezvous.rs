//! Who meets whom, and what is carried over.

use super::*;

#[test]
fn a_waiting_receiver_gets_words_tag_and_label() {
    run(|world| {
        let pair = Pair::new(world);
        assert_eq!(world.syscall(&pair.server, Syscall::wait()), WAITS);
        world.write(&pair.client, &[11, 22, 33]);
        world.write(&pair.server, &[1, 1, 1]);
        let call = Syscall::send(pair.to_server).tag(7, 2, 0).label(0xabc);
        assert_eq!(world.syscall(&pair.client, call), done(7, 2));
        assert_eq!(world.doing(&pair.server), done(7, 2));
        assert_eq!(world.label(&pair.server), 0xabc);
        let words = [0, 1, 2].map(|index| world.word(&pair.server, index));
        assert_eq!(words, [11, 22, 1], "no more than two are copied");
    });
}

#[test]
fn a_sender_waits_for_the_receiver() {
    run(|world| {
        let pair = Pair::new(world);
        let call = Syscall::send(pair.to_server).tag(7, 1, 0).label(5);
        assert_eq!(world.syscall(&pair.client, call), SENDS);
        assert!(world.runs(&pair.server));
        // The words that count are those at the time of the transfer.
        world.write(&pair.client, &[99]);
        assert_eq!(world.syscall(&pair.server, Syscall::wait()), done(7, 1));
        assert_eq!(world.word(&pair.server, 0), 99);
        assert_eq!(world.doing(&pair.client), done(7, 1));
    });
}

#[test]
fn flags_of_the_tag_arrive_but_the_error_mark_does_not() {
    run(|world| {
        let pair = Pair::new(world);
        world.syscall(&pair.server, Syscall::wait());
        let flags = TagFlags::SCHEDULE | TagFlags::PROPAGATE | TagFlags::ERROR;
        world.syscall(
            &pair.client,
            Syscall::send(pair.to_server).tag(-3, 0, 0).flags(flags),
        );
        let tag = MessageTag::new(-3, 0, 0, TagFlags::SCHEDULE | TagFlags::PROPAGATE);
        assert_eq!(world.doing(&pair.server), Doing::Done(tag));
    });
}

#[test]
fn senders_are_taken_by_priority_then_in_the_order_they_came() {
    run(|world| {
        let (task, server_task) = (world.task(), world.task());
        let server = world.thread(&server_task, 1);
        let slot = world.give_full(&task, server.header());
        for (label, priority) in [(0, 5), (1, 9), (2, 5), (3, 9), (4, 7)] {
            let sender = world.thread(&task, priority);
            let doing = world.syscall(&sender, Syscall::send(slot).label(label));
            assert_eq!(doing, SENDS);
        }
        let order = [(); 5].map(|()| {
            world.syscall(&server, Syscall::wait());
            world.label(&server)
        });
        assert_eq!(order, [1, 3, 4, 0, 2]);
        assert_eq!(world.syscall(&server, Syscall::wait()), WAITS);
    });
}

#[test]
fn a_closed_wait_takes_its_partner_only() {
    run(|world| {
        let pair = Pair::new(world);
        let other = world.thread(&pair.client_task, 200);
        let from = world.give_full(&pair.server_task, pair.client.header());
        let send = |label| Syscall::send(pair.to_server).label(label);
        assert_eq!(world.syscall(&other, send(1)), SENDS);
        let waits = waits_for(&pair.client);
        assert_eq!(world.syscall(&pair.server, Syscall::receive(from)), waits);
        world.syscall(&pair.client, send(2));
        assert_eq!(world.label(&pair.server), 2);
        assert_eq!(world.doing(&other), SENDS);

        // One that is queued already is found behind others.
        assert_eq!(world.syscall(&pair.client, send(3)), SENDS);
        world.syscall(&pair.server, Syscall::receive(from));
        assert_eq!(world.label(&pair.server), 3);
    });
}

#[test]
fn a_call_is_answered_with_a_zero_send_timeout() {
    run(|world| {
        let pair = Pair::new(world);
        assert_eq!(world.syscall(&pair.server, Syscall::wait()), WAITS);
        let call = Syscall::call(pair.to_server).tag(1, 1, 0);
        assert_eq!(world.syscall(&pair.client, call), waits_for(&pair.server));
        assert!(world.runs(&pair.server));
        world.write(&pair.server, &[42]);
        let reply = Syscall::reply_and_wait()
            .tag(2, 1, 0)
            .label(6)
            .send_timeout(Timeout::ZERO);
        assert_eq!(world.syscall(&pair.server, reply), WAITS);
        assert_eq!(world.doing(&pair.client), done(2, 1));
        assert_eq!(world.label(&pair.client), 6);
        assert_eq!(world.word(&pair.client, 0), 42);
        assert!(world.runs(&pair.client));
    });
}

#[test]
fn a_queued_caller_waits_for_the_answer_from_then_on() {
    run(|world| {
        let pair = Pair::new(world);
        let call = Syscall::call(pair.to_server).tag(1, 0, 0);
        assert_eq!(world.syscall(&pair.client, call), SENDS);
        assert_eq!(world.syscall(&pair.server, Syscall::wait()), done(1, 0));
        assert_eq!(world.doing(&pair.client), waits_for(&pair.server));
        world.syscall(&pair.server, Syscall::reply().tag(2, 0, 0));
        assert_eq!(world.doing(&pair.client), done(2, 0));
    });
}

#[test]
fn nobody_sends_to_himself() {
    run(|world| {
        let pair = Pair::new(world);
        let myself = Syscall::new(Selector::INVALID, Operation::SEND);
        let now = myself.send_timeout(Timeout::ZERO);
        let failed = Doing::Failed(IpcError::SEND_TIMEOUT);
        assert_eq!(world.syscall(&pair.client, now), failed);
        let later = myself.send_timeout(Timeout::from_micros(50));
        assert_eq!(world.syscall(&pair.client, later), SENDS);
        world.advance(50);
        assert_eq!(world.doing(&pair.client), failed);
    });
}

#[test]
fn a_thread_without_registers_and_a_dead_one_do_not_exist() {
    run(|world| {
        let pair = Pair::new(world);
        let new = world.new_thread();
        let slot = world.give_full(&pair.client_task, new.header());
        let failed = Doing::Failed(IpcError::NOT_EXISTENT);
        assert_eq!(world.syscall(&pair.client, Syscall::send(slot)), failed);
        // With registers, it may come to receive some time.
        new.resurrect(world.cpu, new.state(world.cpu));
        assert_eq!(world.syscall(&pair.client, Syscall::send(slot)), SENDS);

        pair.server.kill(world.cpu);
        let other = world.thread(&pair.client_task, 10);
        assert_eq!(world.syscall(&other, Syscall::send(pair.to_server)), failed);
    });
}

#[test]
fn an_empty_slot_fails_before_anything_else() {
    run(|world| {
        let pair = Pair::new(world);
        let failed = Doing::Failed(IpcError::NOT_EXISTENT);
        for index in [5, 0x9999, 0xf_ffff_ffff_ffff] {
            for operation in (0..16).map(Operation::from_bits_retain) {
                if operation.contains(Operation::REPLY) {
                    continue;
                }
                let call = Syscall::new(Selector::new(index), operation);
                assert_eq!(world.syscall(&pair.client, call), failed);
            }
        }
    });
}

#[test]
fn an_operation_without_phases_fails_at_a_thread() {
    run(|world| {
        let pair = Pair::new(world);
        for operation in [Operation::empty(), Operation::OPEN_WAIT] {
            let call = Syscall::new(Selector::new(pair.to_server), operation);
            let failed = Doing::Failed(IpcError::NOT_EXISTENT);
            assert_eq!(world.syscall(&pair.client, call), failed);
        }
    });
}

#[test]
fn a_failed_send_gives_an_empty_tag_a_failed_receive_the_own_one() {
    run(|world| {
        let pair = Pair::new(world);
        let tag = |world: &World| {
            let frame = &pair.client.state(world.cpu).context.frame;
            (frame.tag(), frame.label())
        };
        let call = Syscall::call(pair.to_server)
            .tag(3, 5, 0)
            .label(8)
            .send_timeout(Timeout::ZERO)
            .receive_timeout(Timeout::ZERO);
        world.syscall(&pair.client, call);
        assert_eq!(tag(world), (0x8000, 8));
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&pair.client, call);
        assert_eq!(tag(world), (call.tag.with_error().raw(), 8));
    });
}

#[test]
fn a_call_with_a_zero_receive_timeout_sends_and_fails() {
    run(|world| {
        let pair = Pair::new(world);
        world.syscall(&pair.server, Syscall::wait());
        let call = Syscall::call(pair.to_server).receive_timeout(Timeout::ZERO);
        let failed = Doing::Failed(IpcError::RECEIVE_TIMEOUT);
        assert_eq!(world.syscall(&pair.client, call), failed);
        assert_eq!(world.doing(&pair.server), done(0, 0));
        // And nobody can be answered.
        let reply = world.syscall(&pair.server, Syscall::reply());
        assert_eq!(reply, Doing::Failed(IpcError::NOT_EXISTENT));
    });
}

#[test]
fn send_and_wait_takes_who_is_queued_at_once() {
    run(|world| {
        let pair = Pair::new(world);
        let to_client = world.give_full(&pair.server_task, pair.client.header());
        let third = world.thread(&pair.server_task, 10);
        world.syscall(&third, Syscall::send(to_client).label(3));
        world.syscall(&pair.server, Syscall::wait());
        let call = Syscall::new(Selector::new(pair.to_server), Operation::SEND_AND_WAIT);
        world.syscall(&pair.client, call.label(1));
        assert_eq!(world.label(&pair.server), 1);
        assert_eq!(world.label(&pair.client), 3);
    });
}

#[test]
fn a_queued_sender_that_then_waits_takes_who_is_queued_at_it() {
    run(|world| {
        let pair = Pair::new(world);
        let to_client = world.give_full(&pair.server_task, pair.client.header());
        let call = Syscall::new(Selector::new(pair.to_server), Operation::SEND_AND_WAIT);
        assert_eq!(world.syscall(&pair.client, call.label(1)), SENDS);
        let third = world.thread(&pair.server_task, 10);
        assert_eq!(
            world.syscall(&third, Syscall::send(to_client).label(3)),
            SENDS
        );
        world.syscall(&pair.server, Syscall::wait());
        assert_eq!(world.label(&pair.server), 1);
        // The client took the message when it was its turn to run.
        world.syscall(&pair.server, Syscall::sleep());
        assert_eq!(world.label(&pair.client), 3);
        assert_eq!(world.doing(&third), done(0, 0));
    });
}
