//! Threads that move, and that are controlled from another CPU.

use super::*;
use crate::testing::UTCB_AREA;
use l4_abi::capability::Selector;
use l4_abi::operation::Operation;
use l4_abi::protocol::thread::Opcode;
use l4_abi::vcpu::StateFlags;

#[test]
fn a_thread_is_started_asked_and_controlled_from_another_cpu() {
    run_on(2, |world| {
        let setup = set_up(world);
        let by = (&*setup.client, &setup.client_task);
        let server = setup.server.header();
        let registers = [1, 0x1234, 0x5678];
        let doing = invoke(world, by, server, label::THREAD, &registers, None);
        assert!(
            matches!(doing, Doing::Done(tag) if tag.words() == 3),
            "{doing:?}"
        );
        let state = setup.server.state(world.cpu_of(&setup.server));
        assert_eq!(state.context.frame.ip(), 0x1234);
        let doing = invoke(
            world,
            by,
            server,
            label::THREAD,
            &[1, u64::MAX, u64::MAX],
            None,
        );
        assert!(matches!(doing, Doing::Done(_)));
        assert_eq!(world.word(&setup.client, 1), 0x1234);
        world.advance(100);
        invoke(world, by, server, label::THREAD, &[3], None);
        assert_eq!(world.word(&setup.client, 0), 100);
        let control = [0x1_0000, 0x5000, 0, 0, 0, 0];
        let doing = invoke(world, by, server, label::THREAD, &control, None);
        assert!(matches!(doing, Doing::Done(_)));
        let state = setup.server.state(world.cpu_of(&setup.server));
        assert_eq!(state.pager.get(), 5);
        // What does nothing to a thread of another CPU does not go there.
        let slot = world.give_full(&setup.client_task, server);
        world.write(&setup.client, &[2]);
        let switch = Syscall::invoke(slot, label::THREAD, 1);
        assert_eq!(world.syscall(&setup.client, switch), DONE);
        world.write(&setup.client, &[6, 0, 0, 0, 0]);
        let modify = Syscall::invoke(slot, label::THREAD, 5);
        let refused = world.syscall(&setup.client, modify);
        let code = l4_abi::error::ResultCode::EINVAL.label();
        assert!(matches!(refused, Doing::Done(tag) if tag.label() == code));
    });
}

#[test]
fn threads_move_while_they_run_wait_and_call() {
    run_on(2, |world| {
        let setup = set_up(world);
        let by = (&*setup.client, &setup.client_task);
        // Runs.
        run_thread(world, by, &setup.server, 0);
        assert_eq!((setup.server.home(), setup.server.residence()), (0, 0));
        run_thread(world, by, &setup.server, 1);
        assert!(world.runs(&setup.server) && setup.server.home() == 1);
        // Waits for ever: it is found, and is at home from then on.
        world.syscall(&setup.server, Syscall::wait());
        run_thread(world, by, &setup.server, 0);
        world.syscall(&setup.client, Syscall::call(setup.gate));
        world.deliver_all();
        assert!(world.runs(&setup.server) && setup.server.home() == 0);
        world.syscall(&setup.server, Syscall::reply_and_wait());
        world.deliver_all();
        assert_eq!(setup.server.home(), 0);
        assert!(world.runs(&setup.client));
        // Waits for a time.
        let sleeper = world.on(0).thread(&setup.client_task, 5);
        let sleep = Syscall::sleep().receive_timeout(Timeout::from_micros(300));
        world.syscall(&sleeper, sleep);
        run_thread(world, by, &sleeper, 1);
        world.advance(300);
        world.deliver_all();
        assert_eq!(world.doing(&sleeper), error(IpcError::RECEIVE_TIMEOUT));
        assert!(world.runs(&sleeper) && sleeper.home() == 1);
        // Itself.
        run_thread(world, by, &setup.client, 1);
        assert_eq!(setup.client.home(), 1);
        // A set without a CPU that is there.
        run_thread(world, by, &setup.client, 9);
        assert_eq!(setup.client.residence(), 1);
    });
}

#[test]
fn a_server_that_moves_answers_its_caller() {
    run_on(3, |world| {
        let setup = set_up(world);
        call(world, &setup);
        let mover = world.on(0).thread(&setup.client_task, 5);
        run_thread(world, (&*mover, &setup.client_task), &setup.server, 2);
        assert!(world.runs(&setup.server) && setup.server.home() == 2);
        let answer = Syscall::reply_and_wait().tag(1, 0, 0);
        world.syscall(&setup.server, answer);
        world.deliver_all();
        assert_eq!(world.doing(&setup.client), Doing::Done(answer.tag));
        let waits = Doing::Waits(Waiting::Receive(Source::Anyone));
        assert_eq!(
            (world.doing(&setup.server), setup.server.home()),
            (waits, 2)
        );
    });
}

/// `thread` becomes a vCPU, and takes messages from now on.
fn become_vcpu(world: &mut World, thread: &Ref<Thread>, task: &TestTask) {
    let words = [Opcode::VcpuControl.word(), UTCB_AREA + 0x3000];
    let by = (&**thread, task);
    let doing = invoke(world, by, thread.header(), label::THREAD, &words, None);
    assert_eq!(doing, DONE);
}

fn takes_messages(world: &World, vcpu: &Thread) {
    let area = vcpu.vcpu_area(world.cpu_of(vcpu)).expect("it is a vCPU");
    area.set_state(StateFlags::IRQ);
}

#[test]
fn a_message_whose_sender_stayed_behind_enters_a_vcpu_that_is_ready() {
    run_on(2, |world| {
        let setup = set_up(world);
        let (vcpu, task) = (&*setup.server, &setup.server_task);
        let (header, by) = (setup.server.header(), (vcpu, task));
        become_vcpu(world, &setup.server, task);
        // A call and another message wait, and the vCPU moves.
        world.syscall(&setup.client, Syscall::call(setup.gate));
        world.deliver_all();
        let other = world.on(1).thread(task, 9);
        let slot = world.give_full(task, header);
        world.syscall(&other, Syscall::send(slot));
        run_thread(world, by, &setup.server, 0);
        let urgent = world.on(0).thread(&setup.client_task, 9);
        assert!(world.runs(&urgent) && vcpu.home() == 0);
        takes_messages(world, vcpu);
        // It is told that one of them waits no more, and takes the other.
        other.cancel(world.on(1).cpu);
        world.enter(Event::Spurious);
        world.deliver_all();
        assert_eq!(world.doing(&setup.client), waits_for(vcpu));
    });
}

/// A vCPU of CPU 0 that waits on CPU 1 for an answer, and a slot of it.
fn vcpu_in_a_call(world: &mut World) -> (Setup, u64) {
    let setup = set_up(world);
    become_vcpu(world, &setup.client, &setup.client_task);
    call(world, &setup);
    takes_messages(world, &setup.client);
    let slot = world.give_full(&setup.client_task, setup.client.header());
    (setup, slot)
}

/// Threads of CPU 0 that wait there to send to the vCPU.
fn senders<const N: usize>(world: &mut World, setup: &Setup, slot: u64) -> [Ref<Thread>; N] {
    [(); N].map(|()| {
        let sender = world.on(0).thread(&setup.client_task, 9);
        world.syscall(&sender, Syscall::send(slot));
        world.deliver_all();
        assert_eq!(world.doing(&sender), Doing::Waits(Waiting::Send));
        assert_eq!(sender.home(), 0);
        sender
    })
}

/// The next interrupt of CPU 1 tells the vCPU first that its call is cancelled, and then that
/// `sender` does not wait any more.
fn cancel_call_and_sender(world: &mut World, setup: &Setup, slot: u64, sender: &Thread) {
    let canceller = world.on(0).thread(&setup.client_task, 9);
    world.write(&canceller, &[1 | 0x1_0000, u64::MAX, u64::MAX]);
    world.syscall(&canceller, Syscall::invoke(slot, label::THREAD, 3));
    sender.cancel(world.on(0).cpu);
    world.enter(Event::Spurious);
}

#[test]
fn a_vcpu_that_is_about_to_go_home_fetches_its_messages_there() {
    run_on(2, |world| {
        let (setup, slot) = vcpu_in_a_call(world);
        let [left, sender] = senders(world, &setup, slot);
        cancel_call_and_sender(world, &setup, slot, &left);
        world.deliver(1);
        world.deliver_all();
        assert_eq!(world.doing(&sender), DONE);
    });
}

#[test]
fn a_sender_that_is_about_to_follow_its_receiver_goes_home_if_its_message_is_taken() {
    run_on(3, |world| {
        let (setup, slot) = vcpu_in_a_call(world);
        let [left] = senders(world, &setup, slot);
        let sender = world.on(2).thread(&setup.client_task, 9);
        let operation = Operation::SEND | Operation::WAIT;
        world.syscall(&sender, Syscall::new(Selector::new(slot), operation));
        cancel_call_and_sender(world, &setup, slot, &left);
        world.deliver(1);
        world.deliver_all();
        let waits = Doing::Waits(Waiting::Receive(Source::Anyone));
        assert_eq!((world.doing(&sender), sender.home()), (waits, 2));
    });
}

#[test]
fn a_thread_that_is_moved_there_and_back_at_once_stays() {
    run_on(2, |world| {
        let setup = set_up(world);
        let scheduler = world.initial_object(l4_abi::capability::slot::SCHEDULER);
        let scheduler = world.give_full(&setup.client_task, &scheduler);
        let thread = world.give_full(&setup.client_task, setup.server.header());
        for cpu in [0, 1] {
            let mover = world.on(0).thread(&setup.client_task, 9);
            let words = [1, 0, 1 << cpu, 5, 0];
            world.start_invocation(&mover, scheduler, label::SCHEDULER, &words, Some(thread));
        }
        world.deliver(1);
        assert!(world.runs(&setup.server) && setup.server.home() == 1);
        world.deliver_all();
    });
}

#[test]
fn a_vcpu_resumes_at_home_only() {
    run_on(2, |world| {
        let setup = set_up(world);
        let vcpu = &setup.client;
        become_vcpu(world, vcpu, &setup.client_task);
        let slot = world.give_full(&setup.client_task, setup.server.header());
        world.write(vcpu, &[Opcode::VcpuResume.word()]);
        world.syscall(vcpu, Syscall::invoke(slot, label::THREAD, 1));
        // While it is on its way to the other thread, the slot gets one to itself.
        let place = setup
            .client_task
            .task
            .capabilities
            .get(slot)
            .expect("a slot");
        let held = place.get(world.cpu).expect("it is full");
        drop(place.clear_of(held.object));
        assert!(place.fill(vcpu.header(), CapabilityRights::FULL));
        world.deliver_all();
        let refused = MessageTag::label_only(l4_abi::error::ResultCode::EINVAL.label());
        assert_eq!(world.doing(vcpu), Doing::Done(refused));
    });
}
