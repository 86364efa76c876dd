//! The end of objects without references: their memory is freed when no CPU
//! can still hold a plain reference from a kernel entry.

use machine::ipi;
use machine::object::{Dead, DeadObjects};
use machine::quiescence::bits;

use super::factory::Factory;
use super::task::Task;
use super::{Common, Header, Kind};
use crate::cpu::{Cpu, CpuLocal};
use crate::kernel::Kernel;
use crate::{debugger, scheduling};

/// Dead objects that wait for other CPUs to leave the kernel (`Cpu::grace`),
/// and are then freed one after the other.
pub struct Burial {
    dead: DeadObjects<Common>,
    /// The one that is being freed.
    open: Option<Dead<Common>>,
}

/// Frees what can be freed. This CPU is about to leave the kernel.
pub fn bury(cpu: &mut Cpu) {
    // Freeing one may be the end of another.
    while let Some(mut burial) = next_burial(cpu) {
        let is_over = is_grace_over(cpu);
        if !is_over || !free(cpu, &mut burial) {
            cpu.burial.set(Some(burial));
            hold(cpu, is_over);
            return;
        }
    }
}

fn is_grace_over(cpu: &mut Cpu) -> bool {
    let quiescence = &cpu.kernel.quiescence;
    let Some(grace) = cpu.grace.get_mut() else {
        return true;
    };
    let is_over = quiescence.lagging(grace) == 0;
    if is_over {
        cpu.grace.set(None);
    }
    is_over
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
    if let Some(mut grace) = kernel.quiescence.begin(cpu.id()) {
        interrupt(kernel, kernel.quiescence.lagging(&mut grace));
        cpu.grace.set(Some(grace));
    }
    Some(Burial { dead, open: None })
}

/// Lets the CPU wait for an interrupt in place of its thread, which may count
/// on the memory that it has just given back. One `is_there` already, or the
/// CPUs that lag behind were interrupted, and interrupt this one.
fn hold(cpu: &Cpu, is_there: bool) {
    cpu.unfinished
        .set(cpu.unfinished.get() || !cpu.block().is_idle());
    scheduling::rest(cpu);
    if is_there {
        cpu.block().pause();
    }
}

/// This CPU leaves the kernel: those that wait for it are told.
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
        let kind = dead.header().common().kind;
        let is_task = kind == Kind::Task;
        let task = is_task.then(|| dead.downcast::<Task>()).flatten();
        let pauses = if task.is_some_and(|task| task.release_part(cpu)) {
            burial.open = Some(dead);
            CpuLocal::has_waiting_interrupt(cpu)
        } else {
            debugger::forget(cpu.kernel, dead.header());
            if kind == Kind::Factory {
                end_factory(cpu, dead.header());
            }
            let (storage, common) = dead.free();
            cpu.kernel.heap.free_charged(common.quota, storage);
            CpuLocal::must_pause(cpu)
        };
        if pauses {
            return false;
        }
    }
    true
}

#[cold]
fn end_factory(cpu: &Cpu, header: &Header) {
    if let Some(factory) = header.downcast::<Factory>() {
        factory.end(cpu);
    }
}
