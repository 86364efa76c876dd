//! Scheduler: which CPUs there are, and the priority of each thread.

use l4_abi::protocol::label;
use l4_abi::protocol::scheduler::{CpuSet, Opcode};
use l4_abi::rights::CapabilityRights;

use super::Thread;
use crate::ipc::invoke;
use crate::{Cap, Object, Result, Utcb};

crate::object! {
    /// The kernel's scheduler, or a proxy that limits priorities and CPUs.
    pub struct Scheduler;
}

/// What a [`Scheduler`] knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerInfo {
    /// Bitmap of the CPUs that are present, from CPU 0 on.
    pub cpus: u64,
    /// Largest number of CPUs.
    pub max_cpus: u64,
    /// Bitmap of scheduling classes.
    pub classes: u64,
}

impl Scheduler {
    /// The first 64 CPUs.
    pub fn info(&self) -> Result<SchedulerInfo> {
        invoke(
            self.selector(),
            label::SCHEDULER,
            &[Opcode::Info.word(), 0],
            &[],
        )?;
        let utcb = Utcb::current();
        Ok(SchedulerInfo {
            cpus: utcb.message(0),
            max_cpus: utcb.message(1),
            classes: utcb.message(2),
        })
    }

    /// Gives `thread` its CPU, `priority` (1 to 255) and time slice in µs (0: the default).
    ///
    /// # Errors
    /// EINVAL for priority 0; a proxy answers EPERM above its limit.
    pub fn run_thread(
        &self,
        thread: Cap<Thread>,
        cpus: CpuSet,
        priority: u8,
        quantum: u64,
    ) -> Result<()> {
        let words = [
            Opcode::RunThread.word(),
            cpus.granularity_offset,
            cpus.map,
            priority.into(),
            quantum,
        ];
        let thread = thread.pass(CapabilityRights::READ).item();
        invoke(self.selector(), label::SCHEDULER, &words, &[thread]).map(|_| ())
    }

    /// Idle time of the first present CPU of the set, in µs.
    pub fn idle_time(&self, cpus: CpuSet) -> Result<u64> {
        let words = [Opcode::IdleTime.word(), cpus.granularity_offset, cpus.map];
        invoke(self.selector(), label::SCHEDULER, &words, &[])?;
        Ok(Utcb::current().message(0))
    }
}
