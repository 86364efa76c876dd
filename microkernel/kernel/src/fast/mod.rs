//! The fast paths: what entry code tries for a system call before the whole way,
//! and the one of page faults. Only in kernels with the feature `fast-paths`, but
//! not in those with traces, which note what happens on the whole way: the others
//! have [`absent.rs`](self) in its place.

use machine::per_cpu::{BIND, CREATE, EX_REGS, RESUME, RUN, ShortWay, TaskAnswer};

use crate::cpu::{Cpu, CpuLocal};
use crate::object::task;
use crate::object::thread::{self, vcpu};
use crate::{ipc, latency};

pub(crate) use crate::ipc::fast::page_fault;

impl CpuLocal {
    /// The current thread made a system call with these registers, which are in
    /// its frame too. Changes there are lost if this leads to the
    /// [end](ShortWay::ToTheEnd), but for the registers that it returns its
    /// result in.
    pub fn short_syscall(cpu: &Cpu, label: u64, to: u64, tag: u64, timeouts: u64) -> ShortWay {
        latency::syscall(cpu, tag);
        let led = ipc::fast::syscall(cpu, label, to, tag, timeouts);
        if !matches!(led, ShortWay::Nowhere | ShortWay::ToTheExit) {
            latency::leave(cpu);
        }
        led
    }

    /// The same for a system call that may have the label of tasks, before anything
    /// else is tried. The registers that a C function preserves are not in its frame
    /// yet.
    pub fn task_syscall(cpu: &Cpu, _: u64, to: u64, tag: u64) -> TaskAnswer {
        without_frame(cpu, tag, || task::fast::syscall(cpu, to, tag))
    }

    /// The same for a system call with the tag [`CREATE`].
    pub fn create_thread(cpu: &Cpu, _: u64, to: u64) -> TaskAnswer {
        without_frame(cpu, CREATE.raw(), || thread::fast::create(cpu, to))
    }

    /// The same for [`BIND`].
    pub fn bind_thread(cpu: &Cpu, _: u64, to: u64) -> TaskAnswer {
        without_frame(cpu, BIND.raw(), || thread::fast::bind(cpu, to))
    }

    /// The same for [`EX_REGS`].
    pub fn ex_regs(cpu: &Cpu, _: u64, to: u64) -> TaskAnswer {
        without_frame(cpu, EX_REGS.raw(), || thread::fast::ex_regs(cpu, to))
    }

    /// The current thread made a system call with the tag [`RUN`], and all registers
    /// are in its frame. True if another frame is entered, and all done;
    /// false: [`short_syscall`](Self::short_syscall) follows.
    pub fn run_thread(cpu: &Cpu, _: u64, to: u64) -> bool {
        latency::syscall(cpu, RUN.raw());
        let is_done = thread::fast::run(cpu, to).is_some();
        is_done.then(|| latency::leave(cpu)).is_some()
    }

    /// The current thread made a system call that is [`RESUME`]. The registers
    /// that a C function preserves are not in its frame yet, and need not be if
    /// the kernel is left by another way than with an answer.
    pub fn resume(cpu: &Cpu) -> Result<TaskAnswer, ShortWay> {
        latency::syscall(cpu, RESUME[0]);
        let led = vcpu::user_task::resume(cpu).unwrap_or(Ok(TaskAnswer::NOWHERE));
        if led.is_ok_and(|answer| answer.tag().is_none()) {
            return led;
        }
        latency::leave(cpu);
        led
    }
}

#[inline(always)]
fn without_frame(cpu: &Cpu, tag: u64, act: impl FnOnce() -> Option<TaskAnswer>) -> TaskAnswer {
    latency::syscall(cpu, tag);
    let answer = act().unwrap_or(TaskAnswer::NOWHERE);
    if answer.tag().is_some() {
        latency::leave(cpu);
    }
    answer
}
