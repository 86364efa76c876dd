//! The FPU, switched lazily: a thread's registers are loaded when it uses the
//! FPU, and stay until another thread does.

use core::cell::Cell;

use machine::fpu;
use machine::fpu_area::FpuArea;

use crate::cpu::Cpu;
use crate::memory::OutOfMemory;
use crate::object::thread::Thread;

/// A place for a thread's FPU registers; empty until it uses the FPU.
pub struct FpuPlace(Cell<Option<FpuArea>>);

impl FpuPlace {
    /// An empty place.
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Gives the memory back.
    pub fn release(&self, cpu: &Cpu, thread: &Thread) {
        if let Some(area) = self.0.take() {
            let quota = thread.quota();
            cpu.kernel.heap.free_charged(quota, area.into_storage());
        }
    }

    /// Saves the registers, which are in the FPU: it may be off.
    fn save(&self, cpu: &Cpu) {
        if let Some(mut area) = self.0.take() {
            fpu::enable(cpu.block());
            area.save(cpu.block());
            self.0.set(Some(area));
        }
    }

    /// Loads the registers; makes the place first.
    fn load(&self, cpu: &Cpu, thread: &Thread) -> Result<(), OutOfMemory> {
        let area = match self.0.take() {
            Some(area) => area,
            None => new_area(cpu, thread)?,
        };
        area.restore(cpu.block());
        self.0.set(Some(area));
        Ok(())
    }
}

/// The initial registers of a thread.
fn new_area(cpu: &Cpu, thread: &Thread) -> Result<FpuArea, OutOfMemory> {
    let storage = (cpu.kernel.heap).allocate_charged(thread.quota(), FpuArea::size())?;
    Ok(FpuArea::new(storage))
}

/// The current thread uses the FPU: its registers are loaded. Fails if there
/// is no kernel memory for them; then the use is an exception.
#[inline]
pub fn give_fpu(cpu: &Cpu, thread: &Thread) -> Result<(), OutOfMemory> {
    fpu::enable(cpu.block());
    match cpu.fpu_owner.is(thread) {
        true => Ok(()),
        false => exchange(cpu, thread),
    }
}

#[inline(never)]
fn exchange(cpu: &Cpu, thread: &Thread) -> Result<(), OutOfMemory> {
    if let Some(owner) = cpu.fpu_owner.get(cpu) {
        owner.state(cpu).fpu.save(cpu);
        cpu.fpu_owner.set(None);
    }
    match thread.state(cpu).fpu.load(cpu, thread) {
        Ok(()) => {
            cpu.fpu_owner.set(Some(thread));
            Ok(())
        }
        Err(error) => {
            fpu::disable(cpu.block());
            Err(error)
        }
    }
}

/// `thread` leaves this CPU: its registers are in its own place.
pub(super) fn unload(cpu: &Cpu, thread: &Thread) {
    if cpu.fpu_owner.is(thread) {
        thread.state(cpu).fpu.save(cpu);
        cpu.fpu_owner.set(None);
        fpu::disable(cpu.block());
    }
}

/// Hands the FPU registers of `from` to `to` with a message; `from` has
/// initial ones afterwards (abi/02: moved, as a lazy kernel does). Nothing
/// moves if there is no kernel memory for them.
pub fn move_fpu(cpu: &Cpu, from: &Thread, to: &Thread) {
    if let Some(owner) = cpu.fpu_owner.get(cpu) {
        unload(cpu, owner);
    }
    let sent = &from.state(cpu).fpu.0;
    let received = &to.state(cpu).fpu.0;
    match (sent.take(), received.take()) {
        // Both have memory of their own, which stays charged as it was.
        (Some(mut area), own) => {
            if let Some(mut own) = own.or_else(|| new_area(cpu, to).ok()) {
                own.copy_from(&area);
                area.reset();
                received.set(Some(own));
            }
            sent.set(Some(area));
        }
        // The sender never used the FPU, so the receiver gets initial
        // registers.
        (None, Some(mut own)) => {
            own.reset();
            received.set(Some(own));
        }
        (None, None) => {}
    }
}

/// `thread` is the one that runs when the kernel is left: it has the FPU, or
/// its first use of it is a fault.
#[inline(always)]
pub(super) fn switched(cpu: &Cpu, thread: &Thread) {
    if cpu.fpu_owner.is(thread) && thread.may_use_fpu(cpu) {
        fpu::enable(cpu.block());
    } else {
        fpu::disable(cpu.block());
    }
}

/// `thread` may use the FPU from now on, or not any more.
pub fn fpu_access_changed(cpu: &Cpu, thread: &Thread) {
    if cpu.loaded.is(thread) {
        switched(cpu, thread);
    }
}
