//! Reply capabilities.

use super::*;

const NOBODY: Doing = Doing::Failed(IpcError::NOT_EXISTENT);
const LOST: Doing = Doing::Failed(IpcError::RECEIVE_CANCELED);

#[test]
fn a_caller_is_answered_once() {
    run(|world| {
        let pair = Pair::new(world);
        assert_eq!(world.syscall(&pair.server, Syscall::reply()), NOBODY);
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        assert_eq!(world.syscall(&pair.server, Syscall::reply()), done(0, 0));
        assert_eq!(world.syscall(&pair.server, Syscall::reply()), NOBODY);
    });
}

#[test]
fn a_plain_send_leaves_the_reply_capability_alone() {
    run(|world| {
        let pair = Pair::new(world);
        let other = world.thread(&pair.client_task, 10);
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&other, Syscall::send(pair.to_server));
        world.syscall(&pair.server, Syscall::reply().tag(9, 0, 0));
        assert_eq!(world.doing(&pair.client), done(9, 0));
    });
}

#[test]
fn a_closed_wait_makes_no_reply_capability() {
    run(|world| {
        let pair = Pair::new(world);
        let from = world.give_full(&pair.server_task, pair.client.header());
        world.syscall(&pair.server, Syscall::receive(from));
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        assert_eq!(world.syscall(&pair.server, Syscall::reply()), NOBODY);
        // An ordinary message reaches the caller.
        assert_eq!(world.syscall(&pair.server, Syscall::send(from)), done(0, 0));
        assert_eq!(world.doing(&pair.client), done(0, 0));
    });
}

#[test]
fn a_caller_whose_reply_capability_is_overwritten_fails() {
    run(|world| {
        let pair = Pair::new(world);
        let other = world.thread(&pair.client_task, 10);
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&other, Syscall::call(pair.to_server));
        assert_eq!(world.doing(&pair.client), LOST);
        world.syscall(&pair.server, Syscall::reply().tag(3, 0, 0));
        assert_eq!(world.doing(&other), done(3, 0));
    });
}

#[test]
fn a_call_that_fails_at_once_overwrites_a_reply_capability_too() {
    for is_queued in [false, true] {
        run(|world| {
            let pair = Pair::new(world);
            let other = world.thread(&pair.client_task, 10);
            world.syscall(&pair.server, Syscall::wait());
            world.syscall(&pair.client, Syscall::call(pair.to_server));
            let call = Syscall::call(pair.to_server).receive_timeout(Timeout::ZERO);
            if is_queued {
                world.syscall(&other, call);
                world.syscall(&pair.server, Syscall::wait());
            } else {
                world.syscall(&pair.server, Syscall::wait());
                world.syscall(&other, call);
            }
            let late = Doing::Failed(IpcError::RECEIVE_TIMEOUT);
            assert_eq!(
                (world.doing(&other), world.doing(&pair.client)),
                (late, LOST)
            );
            assert_eq!(world.syscall(&pair.server, Syscall::reply()), NOBODY);
        });
    }
}

#[test]
fn a_caller_whose_server_ends_fails() {
    run(|world| {
        let pair = Pair::new(world);
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        world.destroy(pair.server.header());
        assert_eq!(world.doing(&pair.client), LOST);
    });
}

#[test]
fn an_end_of_the_caller_empties_the_place() {
    run(|world| {
        let pair = Pair::new(world);
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        world.destroy(pair.client.header());
        assert_eq!(world.syscall(&pair.server, Syscall::reply()), NOBODY);
    });
}

#[test]
fn an_answer_by_another_way_uses_the_reply_capability_up() {
    run(|world| {
        let pair = Pair::new(world);
        let to_client = world.give_full(&pair.server_task, pair.client.header());
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        world.syscall(&pair.server, Syscall::send(to_client));
        assert_eq!(world.doing(&pair.client), done(0, 0));
        assert_eq!(world.syscall(&pair.server, Syscall::reply()), NOBODY);
    });
}

#[test]
fn a_third_thread_cannot_answer() {
    run(|world| {
        let pair = Pair::new(world);
        let to_client = world.give_full(&pair.server_task, pair.client.header());
        let third = world.thread(&pair.server_task, 10);
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        let send = Syscall::send(to_client).send_timeout(Timeout::ZERO);
        let late = Doing::Failed(IpcError::SEND_TIMEOUT);
        assert_eq!(world.syscall(&third, send), late);
        assert_eq!(world.syscall(&pair.server, Syscall::reply()), done(0, 0));
    });
}

#[test]
fn every_reply_operation_uses_the_capability_up() {
    run(|world| {
        let pair = Pair::new(world);
        let call = |operation| Syscall::new(Selector::INVALID, operation);
        let receive = Operation::REPLY | Operation::RECEIVE;
        for operation in [Operation::REPLY, receive] {
            world.syscall(&pair.server, Syscall::wait());
            world.syscall(&pair.client, Syscall::call(pair.to_server));
            let reply = call(operation).receive_timeout(Timeout::ZERO);
            let doing = world.syscall(&pair.server, reply);
            assert!(matches!(doing, Doing::Failed(_)), "{doing:?}");
            assert_eq!(world.doing(&pair.client), waits_for(&pair.server));
            assert_eq!(world.syscall(&pair.server, Syscall::reply()), NOBODY);
            pair.client.cancel(world.cpu);
        }
    });
}

#[test]
fn explicit_slots_hold_several_callers() {
    run(|world| {
        let pair = Pair::new(world);
        let clients = [3, 600, 0x3_ffff].map(|slot| {
            let client = world.thread(&pair.client_task, 10);
            let wait = Syscall::wait().reply_slot(slot);
            assert_eq!(world.syscall(&pair.server, wait), WAITS);
            world.syscall(&client, Syscall::call(pair.to_server));
            (client, slot)
        });
        assert_eq!(world.syscall(&pair.server, Syscall::reply()), NOBODY);
        for (client, slot) in &clients {
            let reply = Syscall::reply().reply_slot(*slot).tag(*slot as i64, 0, 0);
            assert_eq!(world.syscall(&pair.server, reply), done(*slot as i64, 0));
            assert_eq!(world.doing(client), done(*slot as i64, 0));
            assert_eq!(world.syscall(&pair.server, reply), NOBODY);
        }
    });
}

#[test]
fn a_slot_beyond_the_reply_space_is_refused_before_anything_is_sent() {
    run(|world| {
        let pair = Pair::new(world);
        let no_slot = Doing::Failed(IpcError::NO_REPLY_CAPABILITY);
        for slot in [1 << 18, u64::MAX >> 12] {
            let wait = Syscall::wait().reply_slot(slot);
            assert_eq!(world.syscall(&pair.server, wait), no_slot);
            let reply = Syscall::reply().reply_slot(slot);
            assert_eq!(world.syscall(&pair.server, reply), NOBODY);
        }
    });
}

#[test]
fn who_called_a_thread_that_ends_fails_though_the_slot_is_the_tasks() {
    run(|world| {
        let pair = Pair::new(world);
        let second = world.thread(&pair.server_task, 10);
        let to_second = world.give_full(&pair.client_task, second.header());
        let other = world.thread(&pair.client_task, 10);
        world.syscall(&pair.server, Syscall::wait().reply_slot(7));
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        world.syscall(&second, Syscall::wait().reply_slot(8));
        world.syscall(&other, Syscall::call(to_second));
        world.destroy(pair.server.header());
        assert_eq!(world.doing(&pair.client), LOST);
        assert_eq!(world.doing(&other), waits_for(&second));
        let reply = Syscall::reply().reply_slot(8);
        assert_eq!(world.syscall(&second, reply), done(0, 0));
        assert_eq!(world.doing(&other), done(0, 0));
    });
}

#[test]
fn an_end_of_another_thread_of_the_task_changes_nothing_for_a_caller() {
    run(|world| {
        let pair = Pair::new(world);
        let second = world.thread(&pair.server_task, 10);
        world.syscall(&pair.server, Syscall::wait().reply_slot(7));
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        world.destroy(second.header());
        assert_eq!(world.doing(&pair.client), waits_for(&pair.server));
        let reply = Syscall::reply().reply_slot(7);
        assert_eq!(world.syscall(&pair.server, reply), done(0, 0));
    });
}

#[test]
fn another_thread_of_the_task_is_not_the_one_that_the_caller_waits_for() {
    run(|world| {
        let pair = Pair::new(world);
        let second = world.thread(&pair.server_task, 10);
        world.syscall(&pair.server, Syscall::wait().reply_slot(7));
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        let reply = Syscall::reply().reply_slot(7).send_timeout(Timeout::ZERO);
        let late = Doing::Failed(IpcError::SEND_TIMEOUT);
        assert_eq!(world.syscall(&second, reply), late);
        assert_eq!(world.doing(&pair.client), waits_for(&pair.server));
        assert_eq!(world.syscall(&pair.server, reply), NOBODY);
    });
}

#[test]
fn a_closed_wait_for_a_caller_looks_at_so_many_senders_and_no_more() {
    for senders in [8, 9] {
        run(|world| {
            let pair = Pair::new(world);
            world.syscall(&pair.server, Syscall::wait());
            world.syscall(&pair.client, Syscall::call(pair.to_server));
            for _ in 0..senders {
                let sender = world.thread(&pair.client_task, 10);
                world.syscall(&sender, Syscall::send(pair.to_server));
            }
            let receive = Syscall::new(Selector::INVALID, Operation::REPLY | Operation::RECEIVE);
            let doing = world.syscall(&pair.server, receive);
            assert_eq!(doing == LOST, senders > 8);
            assert_eq!(doing == waits_for(&pair.client), senders == 8);
        });
    }
}
