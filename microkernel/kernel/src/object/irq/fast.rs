//! A trigger on the fast path: for a thread that takes the message at once.

use l4_abi::message_tag::MessageTag;
use machine::lock::Guard;

use super::{Irq, State};
use crate::cpu::Cpu;
use crate::object::thread::{Thread, ThreadState};

impl Irq {
    /// It is about to be triggered by software: what it is doing stays so.
    #[inline(always)]
    pub fn hold(&self) -> Guard<'_, State> {
        self.state.lock()
    }

    /// The thread that its message goes to, if that would be the only one, and
    /// there is no pin; while it is [held](Self::hold).
    #[inline(always)]
    pub fn plain_receiver<'cpu>(&self, cpu: &'cpu Cpu, state: &State) -> Option<&'cpu Thread> {
        if state.queued | state.overrun || !self.pin.is_unbound() {
            return None;
        }
        self.thread.get(cpu)
    }

    /// Gives its message to that, which waits for anybody.
    #[inline(always)]
    pub fn give(&self, state: &State, receiver: &ThreadState) {
        // With a thread that waits it is neither of these.
        debug_assert!(!state.pending && !state.dead);
        receiver.context.frame.set_tag(MessageTag::EMPTY.raw());
        receiver.context.frame.set_label(self.label());
    }
}
