//! Messages, faults and their timeouts between threads of two CPUs.

use super::*;

#[test]
fn a_call_goes_to_the_servers_cpu_and_its_answer_back_with_two_interrupts() {
    run_on(2, |world| {
        let setup = set_up(world);
        world.syscall(&setup.server, Syscall::wait());
        world.write(&setup.client, &[7]);
        let call = Syscall::call(setup.gate).tag(3, 1, 0);
        let doing = world.syscall(&setup.client, call);
        assert_eq!(doing, Doing::Waits(Waiting::Remote));
        assert!(world.is_interrupted(1) && !world.is_interrupted(0));
        world.deliver(1);
        assert_eq!(world.doing(&setup.server), Doing::Done(call.tag));
        assert_eq!(
            (world.label(&setup.server), world.word(&setup.server, 0)),
            (LABEL | 3, 7)
        );
        assert_eq!(world.doing(&setup.client), waits_for(&setup.server));
        assert!(!world.is_interrupted(0));
        world.write(&setup.server, &[8]);
        let answer = Syscall::reply_and_wait().tag(0, 1, 0);
        world.syscall(&setup.server, answer.send_timeout(Timeout::ZERO));
        assert!(world.is_interrupted(0) && !world.runs(&setup.client));
        world.deliver(0);
        assert!(world.runs(&setup.client) && !world.is_interrupted(1));
        assert_eq!(world.word(&setup.client, 0), 8);
    });
}

#[test]
fn send_timeout_zero_is_decided_where_the_receiver_is() {
    run_on(2, |world| {
        let setup = set_up(world);
        let send = Syscall::send(setup.gate).send_timeout(Timeout::ZERO);
        world.syscall(&setup.client, send);
        world.deliver_all();
        assert_eq!(world.doing(&setup.client), error(IpcError::SEND_TIMEOUT));
        world.syscall(&setup.server, Syscall::wait());
        world.syscall(&setup.client, send);
        world.deliver_all();
        assert_eq!(world.doing(&setup.client), DONE);
        assert!(world.runs(&setup.server) && world.runs(&setup.client));
    });
}

#[test]
fn a_sender_waits_on_the_receivers_cpu_until_it_is_taken() {
    run_on(2, |world| {
        let setup = set_up(world);
        world.syscall(&setup.client, Syscall::call(setup.gate));
        world.deliver_all();
        assert_eq!(world.doing(&setup.client), Doing::Waits(Waiting::Send));
        world.syscall(&setup.server, Syscall::wait());
        assert_eq!(world.label(&setup.server), LABEL | 3);
        assert_eq!(world.doing(&setup.client), waits_for(&setup.server));
        world.syscall(&setup.server, Syscall::reply());
        world.deliver_all();
        assert!(world.runs(&setup.client));
    });
}

#[test]
fn timeouts_end_waits_on_another_cpu() {
    run_on(2, |world| {
        let setup = set_up(world);
        let timeout = Timeout::from_micros(500);
        let send = Syscall::send(setup.gate).send_timeout(timeout);
        world.syscall(&setup.client, send);
        world.deliver_all();
        world.advance(499);
        assert_eq!(world.doing(&setup.client), Doing::Waits(Waiting::Send));
        world.advance(1);
        world.deliver_all();
        assert_eq!(world.doing(&setup.client), error(IpcError::SEND_TIMEOUT));
        world.syscall(&setup.server, Syscall::wait());
        let call = Syscall::call(setup.gate).receive_timeout(timeout);
        world.syscall(&setup.client, call);
        world.deliver_all();
        world.advance(500);
        world.deliver_all();
        assert_eq!(world.doing(&setup.client), error(IpcError::RECEIVE_TIMEOUT));
        // The right to answer is gone with it.
        let late = world.syscall(&setup.server, Syscall::reply());
        assert_eq!(late, error(IpcError::NOT_EXISTENT));
    });
}

#[test]
fn binding_a_gate_lets_waiters_of_other_cpus_go_on() {
    run_on(2, |world| {
        let setup = set_up(world);
        let gate = world.unbound_gate();
        let slot = world.give_full(&setup.client_task, gate.header());
        let doing = world.syscall(&setup.client, Syscall::call(slot).tag(3, 0, 0));
        assert_eq!(doing, Doing::Waits(Waiting::Gate));
        let by = (&*setup.server, &setup.server_task);
        let thread = Some(setup.server.header());
        invoke(
            world,
            by,
            gate.header(),
            label::KERNEL_OBJECT,
            &[0x10, 0x80],
            thread,
        );
        assert_eq!(world.doing(&setup.client), Doing::Waits(Waiting::Send));
        world.syscall(&setup.server, Syscall::wait());
        assert_eq!(world.label(&setup.server), 0x80 | 3);
        // And destroying one.
        let gate = world.unbound_gate();
        let slot = world.give_full(&setup.server_task, gate.header());
        world.syscall(&setup.server, Syscall::send(slot));
        world.on(0).destroy(gate.header());
        world.deliver_all();
        assert_eq!(world.doing(&setup.server), error(IpcError::NOT_EXISTENT));
    });
}

#[test]
fn the_deadline_of_a_wait_goes_along_with_a_sender() {
    run_on(3, |world| {
        let setup = set_up(world);
        // The receiver is a guest of CPU 2 when the sender comes.
        let far = world.on(2).thread(&setup.client_task, 5);
        let gate = world.gate(0, &far);
        let gate = world.give_full(&setup.server_task, gate.header());
        world.syscall(&far, Syscall::wait());
        world.syscall(&setup.server, Syscall::call(gate));
        world.deliver_all();
        let timeout = Timeout::from_micros(400);
        let send = Syscall::send(setup.gate).send_timeout(timeout);
        world.syscall(&setup.client, send);
        world.deliver_all();
        assert_eq!(setup.client.home(), 1, "it waits where the receiver lives");
        world.advance(400);
        world.deliver_all();
        assert_eq!(world.doing(&setup.client), error(IpcError::SEND_TIMEOUT));
    });
}

#[test]
fn a_page_fault_is_handled_by_a_pager_on_another_cpu() {
    run_on(2, |world| {
        let setup = set_up(world);
        world.syscall(&setup.server, Syscall::wait());
        setup
            .client
            .state(world.cpu_of(&setup.client))
            .pager
            .set(setup.gate);
        world.write(&setup.client, &[1, 2]);
        let fault = Fault::Page {
            address: 0x5000,
            bits: 2,
            beyond_user: false,
        };
        world.fault(&setup.client, fault);
        world.deliver_all();
        assert_eq!(world.word(&setup.server, 0), 0x5002);
        world.syscall(&setup.server, Syscall::reply_and_wait());
        world.deliver_all();
        assert!(world.runs(&setup.client));
        assert_eq!(
            (world.word(&setup.client, 0), world.word(&setup.client, 1)),
            (1, 2)
        );
    });
}

#[test]
fn an_exception_is_handled_on_another_cpu_and_can_be_cancelled_on_the_way() {
    run_on(2, |world| {
        let setup = set_up(world);
        setup
            .client
            .state(world.cpu_of(&setup.client))
            .exception_handler
            .set(setup.gate);
        let fault = Fault::Exception;
        world.fault(&setup.client, fault);
        assert_eq!(world.doing(&setup.client), Doing::Waits(Waiting::Remote));
        let task = setup.server_task.clone();
        let cancel = [1 | 0x1_0000, 0x777, u64::MAX];
        let by = (&*setup.server, &task);
        invoke(
            world,
            by,
            setup.client.header(),
            label::THREAD,
            &cancel,
            None,
        );
        assert!(world.runs(&setup.client));
        world.fault(&setup.client, fault);
        world.deliver_all();
        world.syscall(&setup.server, Syscall::wait());
        let tag = match world.doing(&setup.server) {
            Doing::Done(tag) => tag,
            other => panic!("{other:?}"),
        };
        assert_eq!(tag.label(), label::EXCEPTION);
    });
}
