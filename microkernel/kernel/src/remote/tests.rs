//! Two CPUs in one test: what threads of one do with those of the other. The
//! test says when a CPU notices that it has been interrupted.

use l4_abi::error::IpcError;
use l4_abi::flexpage::Flexpage;
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::Timeout;
use machine::event::{Fault, Source as Event};

use crate::object::thread::{Source, Thread, Waiting};
use crate::object::{Header, Ref};
use crate::scheduling;
use crate::testing::{Doing, Syscall, TestTask, World, run_on};

const LABEL: u64 = 0x40;
const DONE: Doing = Doing::Done(MessageTag::EMPTY);

/// A client on CPU 0 and a server on CPU 1, each in a task of its own.
struct Setup {
    client: Ref<Thread>,
    client_task: TestTask,
    server: Ref<Thread>,
    server_task: TestTask,
    /// The client's slot of a gate to the server.
    gate: u64,
}

fn set_up(world: &mut World) -> Setup {
    let (client_task, server_task) = (world.task(), world.task());
    let server = world.on(1).thread(&server_task, 5);
    let client = world.on(0).thread(&client_task, 5);
    let gate = world.gate(LABEL, &server);
    let gate = world.give_full(&client_task, gate.header());
    Setup {
        client,
        client_task,
        server,
        server_task,
        gate,
    }
}

/// The client's call reaches the server, which waits.
fn call(world: &mut World, setup: &Setup) {
    assert_eq!(
        world.syscall(&setup.server, Syscall::wait()),
        Doing::Waits(Waiting::Receive(Source::Anyone))
    );
    world.write(&setup.client, &[7]);
    let call = Syscall::call(setup.gate).tag(3, 1, 0);
    world.syscall(&setup.client, call);
    world.deliver_all();
    assert_eq!(world.doing(&setup.server), Doing::Done(call.tag));
    assert!(world.runs(&setup.server));
}

fn waits_for(thread: &Thread) -> Doing {
    Doing::Waits(Waiting::Receive(Source::Thread(thread.id)))
}

fn error(error: IpcError) -> Doing {
    Doing::Failed(error)
}

/// `thread` asks for something that `header` is the object of, by a
/// capability that it is given; with these words, and perhaps an argument.
fn invoke(
    world: &mut World,
    (thread, task): (&Thread, &TestTask),
    header: &Header,
    label: i64,
    words: &[u64],
    argument: Option<&Header>,
) -> Doing {
    let slot = world.give_full(task, header);
    let argument = argument.map(|argument| world.give_full(task, argument));
    world.on(thread.home() as usize);
    let doing = world.start_invocation(thread, slot, label, words, argument);
    world.deliver_all();
    match doing {
        Doing::Waits(Waiting::Remote) => world.doing(thread),
        other => other,
    }
}

fn run_thread(world: &mut World, by: (&Thread, &TestTask), thread: &Ref<Thread>, cpu: u64) {
    let scheduler = world.initial_object(l4_abi::capability::slot::SCHEDULER);
    let words = [1, 0, 1 << cpu, 5, 0];
    let argument = Some(thread.header());
    let doing = invoke(world, by, &scheduler, label::SCHEDULER, &words, argument);
    assert_eq!(doing, DONE);
}

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

#[test]
fn a_pin_follows_the_thread_to_its_cpu() {
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
        assert_eq!(kernel.platform.chip.pin(3).cpu, kernel.hardware_id(1));
        run_thread(world, by, &setup.server, 0);
        world.on(1).enter(Event::Pin(3));
        assert_eq!(kernel.platform.chip.pin(3).cpu, kernel.hardware_id(0));
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
        let fault = Fault::Exception {
            port_access_possible: false,
        };
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
