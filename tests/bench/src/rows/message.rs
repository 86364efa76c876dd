//! System calls that do the least, and calls of other threads.

use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::timeout::TimeoutPair;
use l4_test::own;
use l4_test::sys::object::IpcGate;
use l4_test::sys::{Cap, Object, Selector, ipc};

use super::OPERATIONS;
use crate::measure::{row, since};
use crate::partner::{Place, Stack};
use crate::{PRIORITY, arch};

static STACKS: [Stack; 2] = [const { Stack::new() }; 2];

/// A slot that is always empty.
const EMPTY: Selector = Selector::new(0);

/// Gates to a server in the own and in another task.
pub(crate) struct Rows {
    own: Cap<IpcGate>,
    other: Cap<IpcGate>,
}

impl Rows {
    pub(crate) fn new(own: &mut Place, other: &mut Place) -> Self {
        let [own, other] = [(own, &STACKS[0]), (other, &STACKS[1])].map(|(place, stack)| {
            let server = place.start(PRIORITY, stack, serve).leak();
            own::factory()
                .create_gate(server, 0x40)
                .expect("cannot make a gate")
                .leak()
        });
        Self { own, other }
    }

    pub(crate) fn measure(&self, crowd: usize) {
        row("empty-slot", crowd, OPERATIONS, || {
            repeat(|| {
                let _ = ipc::send(EMPTY, MessageTag::EMPTY, TimeoutPair::NEVER);
            })
        });
        row("capability-valid", crowd, OPERATIONS, || {
            let task = own::task();
            repeat(|| assert!(task.is_valid(task).expect("a question fails")))
        });
        for (name, gate, words) in [
            ("call-own-task-2", self.own, 2),
            ("call-other-task-2", self.other, 2),
            ("call-other-task-63", self.other, 63),
        ] {
            let tag = MessageTag::words_only(0, words);
            row(name, crowd, OPERATIONS, || {
                repeat(|| {
                    ipc::call(gate.selector(), tag, TimeoutPair::NEVER).expect("a call fails");
                })
            });
        }
    }
}

/// The ticks of a sample of `operation`.
#[inline(always)]
pub(super) fn repeat(operation: impl Fn()) -> u64 {
    let start = arch::counter();
    for _ in 0..OPERATIONS {
        operation();
    }
    since(start)
}

/// Answers every message with as many words.
pub(super) extern "C" fn serve(_: u64) -> ! {
    let mut arrival = ipc::wait(TimeoutPair::NEVER).expect("the server cannot wait");
    loop {
        arrival = ipc::reply_and_wait(arrival.tag, TimeoutPair::NEVER).expect("a reply fails");
    }
}
