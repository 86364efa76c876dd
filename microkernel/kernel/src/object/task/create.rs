//! How tasks come into being.

use l4_abi::error::ResultCode;
use l4_abi::flexpage::Flexpage;
use machine::{paging, vm};

use super::{MemoryKind, Task, TaskMemory};
use crate::cpu::Cpu;
use crate::mapping::teardown::release_part;
use crate::memory::OutOfMemory;
use crate::memory::quota::QuotaRef;
use crate::object::thread::Thread;
use crate::object::{Fail, Kind, Ref, create, ensure};

impl Task {
    /// A task without memory.
    pub fn create(cpu: &Cpu, quota: QuotaRef) -> Result<Ref<Task>, OutOfMemory> {
        Self::empty(cpu, quota, MemoryKind::Task)
    }

    /// A virtual machine: a task for its memory.
    pub fn create_vm(cpu: &Cpu, quota: QuotaRef) -> Result<Ref<Task>, Fail> {
        ensure(vm::is_supported(cpu.block()), ResultCode::ENODEV)?;
        let kind = vm::format().map_or(MemoryKind::Task, MemoryKind::Guest);
        Ok(Self::empty(cpu, quota, kind)?)
    }

    fn empty(cpu: &Cpu, quota: QuotaRef, kind: MemoryKind) -> Result<Ref<Task>, OutOfMemory> {
        let memory = TaskMemory::new(cpu, quota, kind)?;
        let space = memory.space();
        let task = create(cpu, quota, Kind::Task, Task::new(quota, memory));
        if task.is_err() {
            while release_part(space, &cpu.kernel.heap) {}
        }
        task
    }

    /// One of the tasks that the kernel starts itself, with a page for the
    /// UTCB of its first thread.
    pub fn create_initial(
        cpu: &Cpu,
        quota: QuotaRef,
        kind: MemoryKind,
    ) -> Result<Ref<Task>, OutOfMemory> {
        let task = Self::empty(cpu, quota, kind)?;
        let area = Flexpage::memory(
            paging::initial_utcb(),
            l4_abi::utcb::AREA_MIN_ORDER,
            l4_abi::rights::MemoryRights::empty(),
        );
        let added = loop {
            if let Some(added) = task.memory.add_kernel_user_memory(cpu, area) {
                break added;
            }
        };
        added.map_err(|_| OutOfMemory)?;
        Ok(task)
    }
}

impl Thread {
    /// Binds the first thread of an initial task.
    pub fn bind_initial(&self, cpu: &Cpu, task: &Ref<Task>) -> Result<(), OutOfMemory> {
        let address = paging::initial_utcb();
        let utcb = task.memory.find_shared(cpu, address).ok_or(OutOfMemory)?;
        self.start_in(cpu, self.state(cpu), task.clone(), address, utcb);
        Ok(())
    }

    /// Lets the first thread of an initial task run, at `entry`, with
    /// `argument` in its first argument register, and this pager.
    pub fn start_initial(&self, cpu: &Cpu, entry: u64, argument: u64, pager: u64) {
        let state = self.state(cpu);
        state.context.frame.set_ip(entry);
        state.context.frame.set_argument(0, argument);
        state.pager.set(pager);
        state.exception_handler.set(0);
        state.scheduled.set(true);
        self.resurrect(cpu, state);
    }
}
