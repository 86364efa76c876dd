//! Gates, bound and unbound.

use super::*;

/// Those who wait are on the list, and only they.
pub(crate) fn check(cpu: &Cpu, gate: &IpcGate) {
    let waiters = gate.waiters.lock();
    assert!(gate.thread.is_empty() || waiters.is_empty());
    let mut next = waiters.front(cpu);
    while let Some(thread) = next {
        assert_eq!(thread.state(cpu).waiting.get(), Waiting::Gate);
        next = waiters.after(cpu, thread);
    }
}

impl IpcGate {
    pub(crate) fn thread_header<'cpu>(
        &self,
        cpu: &'cpu Cpu,
    ) -> Option<&'cpu crate::object::Header> {
        self.thread.header(cpu)
    }

    pub(crate) fn has_waiter(&self, thread: &Thread) -> bool {
        self.waiters.lock().contains(thread)
    }
}
