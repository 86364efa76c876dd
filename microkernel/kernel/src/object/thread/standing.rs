//! What the fast path has to know of a thread before it does anything to it,
//! in the word that tells the thread's CPU: one comparison shows that a server
//! can be called, a caller answered, a system call just carried out.
//!
//! Whoever changes what a standing depends on [reviews](Thread::review) it.
//! [`Standing::Plain`] promises nothing, so it is always right for a thread
//! whose system calls are not intercepted.

use l4_abi::capability::ReplySlot;
use machine::cell::Here;
use machine::object::pair::Paired;

use super::{Purpose, Source, Thread, ThreadState, Waiting};
use crate::cpu::Cpu;

/// What can be relied on. But for the last, whoever ends the thread's wait has
/// nothing to do for it but to let it go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Standing {
    /// If it is the thread that runs, its system calls are just carried out.
    Plain,
    /// It waits for anybody, who can be answered through its implicit reply
    /// capability: that is empty.
    Open,
    /// It waits for the answer to its call.
    Calling,
    /// It waits for the answer to its page fault, and is no vCPU.
    Faulted,
    /// Its system calls are not just carried out: it is an alien, or in the
    /// user task of its vCPU, or privileged.
    Intercepted,
}

/// The state of a thread on this CPU.
pub type LocalState<'cpu> = Here<'cpu, ThreadState>;

impl Thread {
    /// Its state, if it is on this CPU and stands so.
    pub fn stands<'cpu>(
        &'cpu self,
        cpu: &'cpu Cpu,
        standing: Standing,
    ) -> Option<LocalState<'cpu>> {
        self.state.marked(cpu, standing as u16)
    }

    /// Its state, if it is on this CPU, and its system calls are just carried out;
    /// or it waits.
    #[inline(always)]
    pub fn just_calls<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> Option<LocalState<'cpu>> {
        self.stands(cpu, Standing::Plain)
    }

    /// It waits for something else, or not any more; what it waited for.
    pub fn set_waiting(&self, cpu: &Cpu, waiting: Waiting) -> Waiting {
        let old = self.state(cpu).waiting.replace(waiting);
        self.review(cpu);
        old
    }

    /// Something has changed on which its standing depends.
    pub fn review(&self, cpu: &Cpu) {
        set(cpu, self.local(cpu), self.judge(cpu));
    }

    fn judge(&self, cpu: &Cpu) -> Standing {
        let state = self.state(cpu);
        if state.intercepts_syscalls() || state.context.is_privileged() {
            return Standing::Intercepted;
        }
        if state.stop.get().is_some() || !self.lives_here(cpu) || self.timeout.is_linked() {
            return Standing::Plain;
        }
        match (state.waiting.get(), state.purpose.get()) {
            (Waiting::Receive(Source::Anyone), Purpose::Syscall) if can_connect(self, state) => {
                Standing::Open
            }
            (Waiting::Receive(Source::Thread(_)), Purpose::Syscall) => Standing::Calling,
            (Waiting::Receive(Source::Thread(_)), Purpose::PageFault(_))
                if !state.vcpu.is_one() =>
            {
                Standing::Faulted
            }
            _ => Standing::Plain,
        }
    }
}

/// True if a server that waits for anybody can answer a caller through its implicit
/// place: that is free, and the one that it waits with.
pub fn can_connect(server: &Thread, state: &ThreadState) -> bool {
    debug_assert!(server.answer.is_empty(), "it does not wait for an answer");
    server.reply.half().is_empty() && waits_implicitly(state)
}

/// True if the implicit place is the one that the thread waits with, or waited
/// with last.
pub fn waits_implicitly(server: &ThreadState) -> bool {
    server.request.get().reply_slot == ReplySlot::Implicit
}

/// Whether its system calls are intercepted has changed; it waits for nothing.
#[inline(always)]
pub fn set_intercepted(cpu: &Cpu, state: LocalState<'_>, is_intercepted: bool) {
    let standing = match is_intercepted {
        true => Standing::Intercepted,
        false => Standing::Plain,
    };
    set(cpu, state, standing);
}

/// The thread stands so from now on.
pub fn set(cpu: &Cpu, state: LocalState<'_>, standing: Standing) {
    state.set_mark(cpu, standing as u16);
}

#[cfg(test)]
impl Thread {
    /// It stands as it should.
    pub(crate) fn check_standing(&self, cpu: &Cpu) {
        let (noted, right) = (self.state.mark(), self.judge(cpu));
        let is_right = noted == right as u16;
        let promises_nothing = noted == Standing::Plain as u16 && right != Standing::Intercepted;
        assert!(is_right || promises_nothing, "{noted} instead of {right:?}");
    }
}
