//! Requests to scheduler proxies.

use l4_abi::capability::slot;
use l4_abi::error::ResultCode;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::utcb::MESSAGE_REGISTERS;
use l4_ipc::{Outcome, Received, Request};
use l4_sys::Cap;
use l4_sys::object::{Scheduler as KernelScheduler, Thread};
use l4re::scheduler::SchedulerServer;

use super::Service;
use crate::object::scheduler::Scheduler;

impl Service<'_> {
    fn scheduler(&mut self) -> Outcome<Scheduler> {
        Ok(*self.moe.find(self.id)?.0)
    }
}

fn kernel() -> Cap<KernelScheduler> {
    Cap::at(slot::SCHEDULER)
}

impl SchedulerServer for Service<'_> {
    fn info(&mut self, _: &mut Request<'_>, granularity_offset: u64) -> Outcome<(u64, u64, u64)> {
        let scheduler = self.scheduler()?;
        let info = kernel().info()?;
        // One bit for one CPU from CPU 0 on is the only view that a proxy has.
        if granularity_offset != 0 {
            return Err(ResultCode::ERANGE);
        }
        Ok((info.cpus & scheduler.cpus, info.max_cpus, info.classes))
    }

    fn run_thread(
        &mut self,
        request: &mut Request<'_>,
        _granularity_offset: u64,
        _map: u64,
        _priority: i64,
        _quantum: u64,
        thread: Received<Thread>,
    ) -> Outcome<()> {
        // A request with a scheduling class has more words than the declared ones.
        let mut words = [0; MESSAGE_REGISTERS];
        let mut reader = request.reader();
        let count = (reader.remaining() / 8).min(words.len());
        for word in &mut words[..count] {
            *word = reader.scalar()?;
        }
        let admitted = self.scheduler()?.admit(&words[..count])?;
        let thread = thread.capability()?;
        kernel().run_thread(thread, admitted.cpus, admitted.priority, admitted.quantum)?;
        Ok(())
    }

    fn idle_time(
        &mut self,
        _: &mut Request<'_>,
        granularity_offset: u64,
        map: u64,
    ) -> Outcome<u64> {
        let asked = CpuSet {
            granularity_offset,
            map,
        };
        Ok(kernel().idle_time(self.scheduler()?.restrict(asked))?)
    }
}
