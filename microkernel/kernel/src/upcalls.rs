//! What the machine calls: each entry into the kernel, and what is done
//! before it is left.

use l4_abi::message_tag::MessageTag;
use machine::boot::Boot;
use machine::event::{Fault, Source};
use machine::per_cpu::{BIND, CREATE, EX_REGS, RESUME, RUN, ShortWay, TaskAnswer};
use machine::trap::Interrupt;

use crate::cpu::{Cpu, CpuLocal};
use crate::object::thread::{self, vcpu};
use crate::object::{burial, icu, task, vlog};
use crate::{debugger, fault, init, ipc, latency, remote, scheduling, syscall, trace};

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

    /// The current thread made a system call with these registers, which are in
    /// its frame too. Changes there are lost if this leads to the
    /// [end](ShortWay::ToTheEnd), but for the registers that it returns its
    /// result in.
    pub fn short_syscall(
        cpu: &Cpu,
        label: u64,
        destination: u64,
        tag: u64,
        timeouts: u64,
    ) -> ShortWay {
        if trace::ENABLED {
            // The whole way notes what happens.
            return ShortWay::Nowhere;
        }
        latency::syscall(cpu, tag);
        let led = ipc::fast::syscall(cpu, label, destination, tag, timeouts);
        if !matches!(led, ShortWay::Nowhere | ShortWay::ToTheExit) {
            latency::leave(cpu);
        }
        led
    }

    /// The same for a system call that may have the label of tasks, before anything
    /// else is tried. The registers that a C function preserves are not in its frame
    /// yet.
    pub fn task_syscall(cpu: &Cpu, _: u64, destination: u64, tag: u64) -> TaskAnswer {
        let tag = MessageTag::from_raw(tag);
        Self::without_frame(cpu, tag, || {
            task::fast::syscall(cpu, destination, tag.raw())
        })
    }

    /// The same for a system call with the tag [`CREATE`].
    pub fn create_thread(cpu: &Cpu, _: u64, destination: u64) -> TaskAnswer {
        Self::without_frame(cpu, CREATE, || thread::fast::create(cpu, destination))
    }

    /// The same for [`BIND`].
    pub fn bind_thread(cpu: &Cpu, _: u64, destination: u64) -> TaskAnswer {
        Self::without_frame(cpu, BIND, || thread::fast::bind(cpu, destination))
    }

    /// The same for [`EX_REGS`].
    pub fn ex_regs(cpu: &Cpu, _: u64, destination: u64) -> TaskAnswer {
        Self::without_frame(cpu, EX_REGS, || thread::fast::ex_regs(cpu, destination))
    }

    /// The current thread made a system call with the tag [`RUN`], and all registers
    /// are in its frame. True if another frame is entered, and all done;
    /// false: [`short_syscall`](Self::short_syscall) follows.
    pub fn run_thread(cpu: &Cpu, _: u64, destination: u64) -> bool {
        latency::syscall(cpu, RUN.raw());
        let is_done = !trace::ENABLED && thread::fast::run(cpu, destination).is_some();
        is_done.then(|| latency::leave(cpu)).is_some()
    }

    #[inline(always)]
    fn without_frame(
        cpu: &Cpu,
        tag: MessageTag,
        perform: impl FnOnce() -> Option<TaskAnswer>,
    ) -> TaskAnswer {
        if trace::ENABLED {
            return TaskAnswer::NOWHERE;
        }
        latency::syscall(cpu, tag.raw());
        let answer = perform().unwrap_or(TaskAnswer::NOWHERE);
        if answer.tag().is_some() {
            latency::leave(cpu);
        }
        answer
    }

    /// The current thread made a system call that is [`RESUME`]. The registers
    /// that a C function preserves are not in its frame yet, and need not be if
    /// the kernel is left by another way than with an answer.
    pub fn resume(cpu: &Cpu) -> Result<TaskAnswer, ShortWay> {
        if trace::ENABLED {
            return Ok(TaskAnswer::NOWHERE);
        }
        latency::syscall(cpu, RESUME[0]);
        let led = vcpu::fast::resume(cpu).unwrap_or(Ok(TaskAnswer::NOWHERE));
        if led.is_ok_and(|answer| answer.tag().is_none()) {
            return led;
        }
        latency::leave(cpu);
        led
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
        if trace::ENABLED || !ipc::fast::page_fault(cpu, fault) {
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
