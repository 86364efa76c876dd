//! Messages between threads, as abi/01 and abi/03 tell it.

mod cancel;
#[cfg(feature = "fast-paths")]
mod fast;
#[cfg(feature = "fast-paths")]
mod fast_and_slow;
mod gate;
mod items;
mod pauses;
mod rendezvous;
mod reply;
mod timeout;

use l4_abi::capability::Selector;
use l4_abi::error::IpcError;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::Operation;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::Timeout;

use crate::object::Ref;
use crate::object::thread::{Source, Thread, Waiting};
use crate::testing::{Doing, Syscall, TestTask, World, run};

const WAITS: Doing = Doing::Waits(Waiting::Receive(Source::Anyone));
const SENDS: Doing = Doing::Waits(Waiting::Send);

fn waits_for(thread: &Thread) -> Doing {
    Doing::Waits(Waiting::Receive(Source::Thread(thread.id)))
}

/// The result of an operation that has no reply of its own: the own tag.
fn done(label: i64, words: usize) -> Doing {
    Doing::Done(MessageTag::words_only(label, words))
}

/// A client and a server, each in its task; the client has a capability to
/// the server's thread.
struct Pair {
    client: Ref<Thread>,
    client_task: TestTask,
    server: Ref<Thread>,
    server_task: TestTask,
    /// The slot of the client.
    to_server: u64,
}

impl Pair {
    /// Both of the same priority.
    fn new(world: &mut World) -> Self {
        let (client_task, server_task) = (world.task(), world.task());
        let client = world.thread(&client_task, 10);
        let server = world.thread(&server_task, 10);
        let to_server = world.give_full(&client_task, server.header());
        Self {
            client,
            client_task,
            server,
            server_task,
            to_server,
        }
    }
}
