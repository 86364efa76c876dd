//! In place of the fast paths in kernels without them, and in those with traces:
//! every system call and every page fault goes the whole way, but for those that lead
//! a vCPU to its user task and back. What each function is for is said in `mod.rs`.

use machine::event::Fault;
use machine::per_cpu::{ShortWay, TaskAnswer};

use crate::cpu::{Cpu, CpuLocal};
use crate::object::thread::vcpu::user_task;

/// Traces note what happens on the whole way.
const IS_TRACED: bool = cfg!(feature = "trace");

impl CpuLocal {
    /// Leads out of the user task of a vCPU.
    pub fn short_syscall(cpu: &Cpu, _: u64, _: u64, _: u64, _: u64) -> ShortWay {
        match cpu.current.get(cpu) {
            Some(thread) if !IS_TRACED => user_task::enter(cpu, thread),
            _ => ShortWay::Nowhere,
        }
    }

    /// Leads nowhere.
    pub fn task_syscall(_: &Cpu, _: u64, _: u64, _: u64) -> TaskAnswer {
        TaskAnswer::NOWHERE
    }

    /// Leads nowhere.
    pub fn create_thread(_: &Cpu, _: u64, _: u64) -> TaskAnswer {
        TaskAnswer::NOWHERE
    }

    /// Leads nowhere.
    pub fn bind_thread(_: &Cpu, _: u64, _: u64) -> TaskAnswer {
        TaskAnswer::NOWHERE
    }

    /// Leads nowhere.
    pub fn ex_regs(_: &Cpu, _: u64, _: u64) -> TaskAnswer {
        TaskAnswer::NOWHERE
    }

    /// Leads nowhere.
    pub fn run_thread(_: &Cpu, _: u64, _: u64) -> bool {
        false
    }

    /// Leads to the user task or the virtual machine of a vCPU.
    pub fn resume(cpu: &Cpu) -> Result<TaskAnswer, ShortWay> {
        let way = if IS_TRACED {
            None
        } else {
            user_task::resume(cpu)
        };
        way.unwrap_or(Ok(TaskAnswer::NOWHERE))
    }
}

/// Tells nobody.
pub(crate) fn page_fault(_: &Cpu, _: &Fault) -> bool {
    false
}
