//! What the machine calls: each entry into the kernel, and what is done
//! before it is left. What entry code tries before the whole way of a system
//! call is in `fast`.

use machine::boot::Boot;
use machine::event::{Fault, Source};
use machine::trap::Interrupt;

use crate::cpu::{Cpu, CpuLocal};
use crate::object::{burial, icu, vlog};
use crate::{debugger, fast, fault, init, latency, remote, scheduling, syscall, trace};

impl CpuLocal {
    /// The boot CPU is ready; ends with [`Boot::enter`].
    pub fn start(boot: &mut Boot) -> ! {
        init::start(boot)
    }

    /// `cpu` runs from now on; it idles when this returns.
    pub fn start_cpu(cpu: &mut Cpu) {
        init::start_cpu(cpu);
        finish(cpu);
    }

    /// What was done on the short way has consequences.
    pub fn finish(cpu: &mut Cpu) {
        finish(cpu);
    }

    /// The current thread made a system call.
    pub fn syscall(cpu: &mut Cpu) {
        trace::syscall(cpu);
        syscall::syscall(cpu);
        finish(cpu);
    }

    /// The current thread did what its CPU would not do.
    pub fn fault(cpu: &mut Cpu, fault: &Fault) {
        latency::fault(cpu);
        trace::fault(cpu, fault);
        if !fast::page_fault(cpu, fault) {
            fault::fault(cpu, fault);
            finish(cpu);
        }
    }

    /// A device, a timer or another CPU wants attention.
    pub fn interrupt(cpu: &mut Cpu, interrupt: Interrupt) {
        if cpu.block().is_idle() {
            cpu.kernel.quiescence.wake(cpu.id());
        }
        let source = cpu.kernel.platform.chip.claim(interrupt);
        latency::interrupt(cpu, source);
        trace::interrupt(cpu, source);
        match source {
            Source::Timer => scheduling::timer(cpu),
            Source::Pin(pin) => {
                match cpu.kernel.platform.console.interrupt_pin() == Some(pin) {
                    true => vlog::input(cpu, pin),
                    false => icu::hit(cpu, pin),
                }
                // Whatever another CPU has done to what was bound to it.
                cpu.kernel.platform.chip.acknowledge(pin);
            }
            Source::Ipi => {
                cpu.space.serve(cpu);
                debugger::attend(cpu);
                remote::run_errands(cpu);
            }
            Source::Virtual(number) => {
                if let Some(thread) = cpu.current.get(cpu) {
                    thread.enter_with_virtual_interrupt(cpu, number);
                }
            }
            Source::Spurious => {}
        }
        finish(cpu);
    }

    /// The kernel cannot go on, and has said why: a last look at it.
    pub fn panicked(cpu: &Cpu) {
        debugger::panicked(cpu);
    }
}

/// Loads who runs next, and frees what nothing refers to any more.
fn finish(cpu: &mut Cpu) {
    scheduling::leave(cpu);
    trace::leave(cpu);
    remote::depart(cpu);
    burial::bury(cpu);
    burial::pass(cpu);
    latency::leave(cpu);
}
