//! The end of objects without references: their memory is freed when no CPU
//! can still hold a plain reference from a kernel entry.

use machine::ipi;
use machine::object::DeadObjects;
use machine::quiescence::{Grace, bits};

use super::Common;
use super::task::Task;
use crate::cpu::Cpu;
use crate::debugger;
use crate::kernel::Kernel;

/// Dead objects that wait for other CPUs to leave the kernel.
pub struct Burial {
    dead: DeadObjects<Common>,
    grace: Grace,
}

/// Frees what can be freed. This CPU is about to leave the kernel.
pub fn bury(cpu: &mut Cpu) {
    let kernel = cpu.kernel;
    if let Some(mut burial) = cpu.burial.take() {
        if kernel.quiescence.lagging(&mut burial.grace) != 0 {
            cpu.burial.set(Some(burial));
            hold(cpu);
            return;
        }
        free(kernel, burial.dead);
    }
    // Freeing one may be the end of another.
    while !kernel.reaper.is_empty() {
        let dead = kernel.reaper.take(cpu);
        if let Some(mut grace) = kernel.quiescence.begin(cpu.id()) {
            let lagging = kernel.quiescence.lagging(&mut grace);
            if lagging != 0 {
                interrupt(kernel, lagging);
                cpu.burial.set(Some(Burial { dead, grace }));
                hold(cpu);
                return;
            }
        }
        free(kernel, dead);
    }
}

/// Lets the CPU wait for an interrupt in place of its thread, which may count
/// on the memory that it has just given back. The CPUs that lag behind were
/// interrupted, and interrupt this one.
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

fn free(kernel: &Kernel, objects: DeadObjects<Common>) {
    for mut dead in objects {
        if let Some(task) = dead.downcast::<Task>() {
            task.release(kernel);
        }
        debugger::forget(kernel, dead.header());
        let (storage, common) = dead.free();
        kernel.heap.free_charged(common.quota, storage);
    }
}
