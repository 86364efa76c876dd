//! How a task ends. First all that it has is revoked; when nothing refers to it
//! any more, its memory is given back. Both can take long, so they are done in
//! steps that keep their progress in the task.

use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::fence;

use super::memory::unmap_step;
use super::{Task, ports};
use crate::capability;
use crate::cpu::{Cpu, CpuLocal};
use crate::ipc::reply;
use crate::mapping::unmap::Unmap;

/// Empty reply slots that take as long as a part of other operations.
const EMPTY_SLOTS: u64 = 32;

/// What is being revoked.
pub(super) enum Stage {
    /// Memory, and all that was mapped from it.
    Memory(Unmap),
    /// I/O ports, likewise.
    Ports(Unmap),
    /// Capabilities, from this slot on.
    Capabilities(u64),
}

impl Task {
    /// Its last capability is gone: what it has is revoked. Threads in it go
    /// on until they fault. False if that has to pause: to be called again.
    pub fn destroy(&self, cpu: &Cpu) -> bool {
        let paused = self.end.lock().take();
        let mut next = Some(paused.unwrap_or_else(|| Stage::Memory(self.memory.revoke_all())));
        while let Some(stage) = next {
            next = self.revoke(cpu, stage);
            if next.is_some() && CpuLocal::has_waiting_interrupt(cpu) {
                *self.end.lock() = next;
                return false;
            }
        }
        true
    }

    /// Does a step; what follows.
    fn revoke(&self, cpu: &Cpu, stage: Stage) -> Option<Stage> {
        match stage {
            Stage::Memory(mut unmap) => Some(match unmap_step(cpu, &mut unmap, &cpu.cursor) {
                None => Stage::Memory(unmap),
                Some(_) => match self.ports.revoke_all() {
                    Some(ports) => Stage::Ports(ports),
                    None => self.revoke_capabilities(),
                },
            }),
            Stage::Ports(mut unmap) => {
                Some(match ports::unmap_step(cpu, &mut unmap, &cpu.cursor) {
                    None => Stage::Ports(unmap),
                    Some(()) => self.revoke_capabilities(),
                })
            }
            Stage::Capabilities(first) => {
                capability::revoke_some(cpu, self, first).map(Stage::Capabilities)
            }
        }
    }

    /// Ends the calls of all who wait for an answer through an explicit reply
    /// slot: no thread is left that could answer. False if that has to pause:
    /// to be called again.
    pub fn lose_callers(&self, cpu: &Cpu) -> bool {
        let first = self.answered.load(Relaxed);
        for (index, place) in self.reply_space.range(first, u64::MAX) {
            self.answered.store(index + 1, Relaxed);
            let is_busy = reply::lose_caller(cpu, place);
            if (is_busy || index % EMPTY_SLOTS == 0) && CpuLocal::must_pause(cpu) {
                return false;
            }
        }
        self.answered.store(0, Relaxed);
        true
    }

    fn revoke_capabilities(&self) -> Stage {
        // See `capability::put`.
        fence(SeqCst);
        Stage::Capabilities(0)
    }

    /// Gives back a part of what is left when nothing refers to the task any
    /// more; false if nothing is left.
    pub fn release_part(&mut self, cpu: &Cpu) -> bool {
        let heap = &cpu.kernel.heap;
        self.capabilities.release_part(heap, self.quota)
            || self.reply_space.release_part(heap, self.quota)
            || self.memory.release_part(cpu.kernel)
            || self.ports.release_part(cpu.kernel)
    }
}
