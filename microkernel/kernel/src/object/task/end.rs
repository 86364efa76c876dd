//! How a task ends. First all that it has is revoked; when nothing refers to it
//! any more, its memory is given back. Both can take long, so they are done in
//! steps that keep their progress in the task.

use super::{Revocation, Task};
use crate::cpu::{Cpu, CpuLocal};
use crate::ipc::reply;
use crate::object::thread::Thread;

/// Reply slots without a caller to be told that take as long as a part of other
/// operations.
const OTHER_SLOTS: u64 = 32;

impl Task {
    /// Its last capability is gone: what it has is revoked. Threads in it go
    /// on until they fault. False if that has to pause: to be called again.
    pub fn destroy(&self, cpu: &Cpu) -> bool {
        let paused = self.end.lock().take();
        let mut revocation = paused.unwrap_or_else(|| Revocation::everything(self));
        while revocation.step(cpu, self, &self.cursor).is_none() {
            if CpuLocal::has_waiting_interrupt(cpu) {
                *self.end.lock() = Some(revocation);
                return false;
            }
        }
        true
    }

    /// Ends the calls of all who wait for an answer of `server`, which is dead,
    /// through an explicit reply slot. False if that has to pause: to be called
    /// again.
    pub fn lose_callers(&self, cpu: &Cpu, server: &Thread) -> bool {
        let next = &server.state(cpu).callers_from;
        for (index, place) in self.reply_space.range(next.get(), u64::MAX) {
            next.set(index + 1);
            let is_lost = reply::lose_caller_of(cpu, place, server);
            if (is_lost || index % OTHER_SLOTS == 0) && CpuLocal::must_pause(cpu) {
                return false;
            }
        }
        true
    }

    /// Gives back a part of what is left when nothing refers to the task any
    /// more; false if nothing is left.
    pub fn release_part(&mut self, cpu: &Cpu) -> bool {
        let heap = &cpu.kernel.heap;
        self.capabilities.release_part(heap, self.quota)
            || self.reply_space.release_part(heap, self.quota)
            || self.ports.release_part(heap)
            // Last: it cannot be asked twice when it has nothing left.
            || self.memory.release_part(heap)
    }
}
