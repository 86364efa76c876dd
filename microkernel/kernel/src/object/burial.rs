//! The end of objects without references: their memory is freed when no CPU
//! can still hold a plain reference from a kernel entry.

use machine::ipi;
use machine::object::{Dead, DeadObjects};
use machine::quiescence::{Grace, bits};

use super::Common;
use super::task::Task;
use crate::cpu::{Cpu, CpuLocal};
use crate::debugger;
use crate::kernel::Kernel;

/// Dead objects that wait for other CPUs to leave the kernel, and are then
/// freed one after the other.
pub struct Burial {
    dead: DeadObjects<Common>,
    /// What they wait for, while they do.
    grace: Option<Grace>,
    /// The one that is being freed.
    open: Option<Dead<Common>>,
}

/// Frees what can be freed. This CPU is about to leave the kernel.
pub fn bury(cpu: &mut Cpu) {
    let kernel = cpu.kernel;
    // Freeing one may be the end of another.
    while let Some(mut burial) = next_burial(cpu) {
        let is_over = |grace: &mut Grace| kernel.quiescence.lagging(grace) == 0;
        burial.grace.take_if(is_over);
        if burial.grace.is_some() || !free(cpu, &mut burial) {
            cpu.burial.set(Some(burial));
            hold(cpu);
            return;
        }
    }
}

/// The burial that has begun, or one of what has died since.
fn next_burial(cpu: &mut Cpu) -> Option<Burial> {
    let kernel = cpu.kernel;
    if let Some(begun) = cpu.burial.take() {
        return Some(begun);
    }
    if kernel.reaper.is_empty() {
        return None;
    }
    let dead = kernel.reaper.take(cpu);
    let mut grace = kernel.quiescence.begin(cpu.id());
    if let Some(begun) = &mut grace {
        interrupt(kernel, kernel.quiescence.lagging(begun));
    }
    Some(Burial {
        dead,
        grace,
        open: None,
    })
}

/// Lets the CPU wait for an interrupt in place of its thread, which may count
/// on the memory that it has just given back. One waits already, or the CPUs
/// that lag behind were interrupted, and interrupt this one.
fn hold(cpu: &Cpu) {
    if !cpu.block().is_idle() {
        cpu.unfinished.set(true);
        cpu.block().set_idle();
    }
}

/// This CPU leaves the kernel: those that wait for it are told.
#[inline]
pub fn pass(cpu: &Cpu) {
    let watchers = cpu.kernel.quiescence.pass(cpu.id(), cpu.block().is_idle());
    if watchers != 0 {
        interrupt(cpu.kernel, watchers);
    }
}

#[cold]
fn interrupt(kernel: &Kernel, cpus: u64) {
    for id in bits(cpus) {
        ipi::send(&kernel.platform, id);
    }
}

/// Frees the dead. False if that has to pause.
fn free(cpu: &Cpu, burial: &mut Burial) -> bool {
    while let Some(mut dead) = burial.open.take().or_else(|| burial.dead.next()) {
        if (dead.downcast::<Task>()).is_some_and(|task| task.release_part(cpu)) {
            burial.open = Some(dead);
        } else {
            debugger::forget(cpu.kernel, dead.header());
            let (storage, common) = dead.free();
            cpu.kernel.heap.free_charged(common.quota, storage);
        }
        if CpuLocal::must_pause(cpu) {
            return false;
        }
    }
    true
}
