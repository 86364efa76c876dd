//! Two CPUs in one test: what threads of one do with those of the other. The
//! test says when a CPU notices that it has been interrupted.

mod ends;
mod messages;
mod moves;
mod signals;

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
