//! A receiver of items: what it accepts, and how the message looks to it.

use l4_test::abi::utcb::BufferDescriptor;
use l4_test::message::{accept, wait, word};
use l4_test::sys::object::IpcGate;
use l4_test::sys::{Cap, Utcb};
use l4_test::{Outcome, Worker, own, spawn};

/// What the receiver found; its registers were all [`STALE`] before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) outcome: Outcome,
    /// First message registers.
    pub(crate) words: [u64; 6],
}

/// Content of registers that nobody has written.
pub(crate) const STALE: u64 = 0x57a1e;

/// A thread that waits for one message with these receive buffers.
pub(crate) fn receiver<const N: usize>(buffers: [u64; N]) -> Worker<Received> {
    receiver_at(BufferDescriptor::DEFAULT, buffers)
}

/// As [`receiver`], with the buffers of each space where the descriptor says.
pub(crate) fn receiver_at<const N: usize>(
    descriptor: BufferDescriptor,
    buffers: [u64; N],
) -> Worker<Received> {
    spawn(move || {
        accept(&buffers);
        Utcb::current().set_buffer_descriptor(descriptor);
        Utcb::current().set_messages(&[STALE; 63]);
        let outcome = wait().outcome();
        Received {
            outcome,
            words: core::array::from_fn(word),
        }
    })
}

/// A capability to pass: an IPC gate of the runner.
pub(crate) fn gate() -> l4_test::sys::OwnedCap<IpcGate> {
    own::factory().create_gate(own::thread(), 0x1230).unwrap()
}

/// Whether the slot at `index` is in use.
pub(crate) fn is_used(index: u64) -> bool {
    own::task().is_valid(Cap::<IpcGate>::at(index)).unwrap()
}
