//! Waits that end because somebody says so.

use super::*;

/// What ex_regs with CANCEL does.
fn cancel(world: &mut World, thread: &Thread) {
    thread.cancel(world.cpu);
    world.enter(machine::event::Source::Spurious);
}

#[test]
fn each_phase_is_cancelled_with_its_own_error() {
    run(|world| {
        let pair = Pair::new(world);
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        cancel(world, &pair.client);
        let sent = Doing::Failed(IpcError::SEND_CANCELED);
        assert_eq!(world.doing(&pair.client), sent);

        world.syscall(&pair.server, Syscall::wait());
        cancel(world, &pair.server);
        let received = Doing::Failed(IpcError::RECEIVE_CANCELED);
        assert_eq!(world.doing(&pair.server), received);
    });
}

#[test]
fn a_thread_that_waits_for_nothing_is_left_alone() {
    run(|world| {
        let pair = Pair::new(world);
        cancel(world, &pair.client);
        assert_eq!(world.doing(&pair.client), done(0, 0));
    });
}

#[test]
fn a_cancelled_caller_cannot_be_answered() {
    run(|world| {
        let pair = Pair::new(world);
        world.syscall(&pair.server, Syscall::wait());
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        cancel(world, &pair.client);
        world.syscall(&pair.client, Syscall::wait());
        let reply = world.syscall(&pair.server, Syscall::reply());
        assert_eq!(reply, Doing::Failed(IpcError::NOT_EXISTENT));
        assert_eq!(world.doing(&pair.client), WAITS);
    });
}

#[test]
fn a_receive_phase_that_was_put_off_is_cancelled_too() {
    run(|world| {
        let pair = Pair::new(world);
        let to_client = world.give_full(&pair.server_task, pair.client.header());
        let call = Syscall::new(Selector::new(pair.to_server), Operation::SEND_AND_WAIT);
        world.syscall(&pair.client, call);
        let third = world.thread(&pair.server_task, 10);
        world.syscall(&third, Syscall::send(to_client));
        // The server is more urgent, so the client does not get on.
        crate::testing::set_parameters(world.cpu, &pair.server, 100, 10_000);
        world.syscall(&pair.server, Syscall::wait());
        assert!(world.runs(&pair.server));
        cancel(world, &pair.client);
        world.syscall(&pair.server, Syscall::sleep());
        let cancelled = Doing::Failed(IpcError::RECEIVE_CANCELED);
        assert_eq!(world.doing(&pair.client), cancelled);
        assert_eq!(world.doing(&third), SENDS);
    });
}

#[test]
fn the_end_of_a_receiver_ends_its_senders() {
    run(|world| {
        let pair = Pair::new(world);
        let other = world.thread(&pair.client_task, 20);
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        world.syscall(&other, Syscall::send(pair.to_server));
        world.destroy(pair.server.header());
        let sent = Doing::Failed(IpcError::SEND_CANCELED);
        assert_eq!(world.doing(&pair.client), sent);
        assert_eq!(world.doing(&other), sent);
    });
}

#[test]
fn a_wait_for_a_thread_goes_on_when_that_ends() {
    run(|world| {
        let pair = Pair::new(world);
        let call = Syscall::receive(pair.to_server);
        let waits = waits_for(&pair.server);
        assert_eq!(world.syscall(&pair.client, call), waits);
        world.destroy(pair.server.header());
        assert_eq!(world.doing(&pair.client), waits);
    });
}
