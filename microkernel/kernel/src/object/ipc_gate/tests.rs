//! Gates, bound and unbound.

use super::*;

/// Those who wait are on the list, and only they.
pub(crate) fn check(cpu: &Cpu, gate: &IpcGate) {
    let waiters = gate.waiters.lock();
    assert!(gate.target.is_empty() || waiters.is_empty());
    for thread in waiters.iter(cpu).filter(|thread| thread.is_here(cpu)) {
        assert_eq!(thread.state(cpu).waiting.get(), Waiting::Gate);
    }
}

impl IpcGate {
    pub(crate) fn thread_header<'cpu>(
        &self,
        cpu: &'cpu Cpu,
    ) -> Option<&'cpu crate::object::Header> {
        self.target.header(cpu)
    }

    pub(crate) fn has_waiter(&self, cpu: &Cpu, thread: &Thread) -> bool {
        let waiters = self.waiters.lock();
        waiters.iter(cpu).any(|waiter| waiter.id == thread.id)
    }
}
