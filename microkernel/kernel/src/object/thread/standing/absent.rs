//! In place of standings in kernels without fast paths: nobody asks how a thread
//! stands. What each function is for is said in `standing.rs`.

use machine::cell::Here;

use super::{Thread, ThreadState, Waiting};
use crate::cpu::Cpu;

/// The state of a thread on this CPU.
pub type LocalState<'cpu> = Here<'cpu, ThreadState>;

impl Thread {
    /// Its state, if it is on this CPU, and its system calls are just carried out.
    pub fn just_calls<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> Option<LocalState<'cpu>> {
        let just_calls =
            |state: &LocalState<'_>| !state.intercepts_syscalls() && !state.context.is_privileged();
        self.state.get(cpu).filter(just_calls)
    }

    /// It waits for something else, or not any more; what it waited for.
    pub fn set_waiting(&self, cpu: &Cpu, waiting: Waiting) -> Waiting {
        self.state(cpu).waiting.replace(waiting)
    }

    /// Nothing is noted.
    pub fn review(&self, _: &Cpu) {}
}

/// Nothing is noted.
pub fn set_intercepted(_: &Cpu, _: LocalState<'_>, _: bool) {}

#[cfg(test)]
impl Thread {
    /// There is nothing to check.
    pub(crate) fn check_standing(&self, _: &Cpu) {}
}
