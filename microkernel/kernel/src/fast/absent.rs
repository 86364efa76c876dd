//! In place of the fast paths in kernels without them, and in those with traces:
//! every system call and every page fault goes the whole way. What each function
//! is for is said in `mod.rs`.

use machine::event::Fault;
use machine::per_cpu::{ShortWay, TaskAnswer};

use crate::cpu::{Cpu, CpuLocal};

impl CpuLocal {
    /// Leads nowhere.
    pub fn short_syscall(_: &Cpu, _: u64, _: u64, _: u64, _: u64) -> ShortWay {
        ShortWay::Nowhere
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

    /// Leads nowhere.
    pub fn resume(_: &Cpu) -> Result<TaskAnswer, ShortWay> {
        Ok(TaskAnswer::NOWHERE)
    }
}

/// Tells nobody.
pub(crate) fn page_fault(_: &Cpu, _: &Fault) -> bool {
    false
}
