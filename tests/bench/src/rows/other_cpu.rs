//! Calls of a server on another CPU.
//!
//! The counter follows the instructions of all CPUs together: QEMU runs them in turns, and one that
//! waits for an interrupt executes none. While a call is under way one of the two works and the other
//! one waits, and both do the same: send once, wait, receive once. So each executes half of what the
//! counter counts, and an operation counts as one on each CPU.

use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::timeout::TimeoutPair;
use l4_test::own;
use l4_test::sys::{Object, ipc};

use super::OPERATIONS;
use super::message::{repeat, serve};
use crate::PRIORITY;
use crate::measure::row;
use crate::partner::{Place, Stack};

static STACK: Stack = Stack::new();

/// The CPUs that take part.
const CPUS: usize = 2;

pub(crate) fn measure() {
    let server = Place::other().start(PRIORITY, &STACK, serve).leak();
    own::scheduler()
        .run_thread(server, CpuSet::single(1), PRIORITY, 0)
        .expect("cannot move the server");
    let gate = own::factory()
        .create_gate(server, 0x40)
        .expect("cannot make a gate");
    let tag = MessageTag::words_only(0, 2);
    row("call-other-cpu", 1, OPERATIONS * CPUS, || {
        repeat(|| {
            ipc::call(gate.selector(), tag, TimeoutPair::NEVER).expect("a call fails");
        })
    });
}
