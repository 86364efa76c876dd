//! Operations that pause: those whose work has no small bound.
//!
//! Between bounded parts of its work an operation asks whether an interrupt
//! waits. If so, it keeps its progress in the thread, and the kernel is left
//! for a moment with interrupts on. Whoever is most urgent then runs; when it
//! is the thread's turn again, its system call is repeated, and finds the
//! progress.

use l4_abi::error::IpcError;
use l4_abi::flexpage::Flexpage;

use super::{Deferred, LongOperation, PausedItem, Thread};
use crate::cpu::{Cpu, CpuLocal};
use crate::mapping::Cursor;
use crate::object::task::{Mapping, Revocation, Task};
use crate::object::{Header, Ref, doom};

impl Thread {
    /// Does `step`, again and again, until it has a result. `None`: it has
    /// to pause, and the caller keeps the progress with
    /// [`Thread::pause`].
    pub fn run_steps<R>(&self, cpu: &Cpu, mut step: impl FnMut(&Cursor) -> Option<R>) -> Option<R> {
        loop {
            match step(&self.state(cpu).cursor) {
                None if CpuLocal::has_waiting_interrupt(cpu) => return None,
                None => {}
                done => return done,
            }
        }
    }

    /// Goes on with a mapping between the tasks behind `headers`: whether there was anything to
    /// map. `None`: it pauses, until it is this thread's turn to do `again`. An `item` of a message
    /// has its message register, its partner and its window.
    pub fn run_mapping(
        &self,
        cpu: &Cpu,
        mut mapping: Mapping,
        headers: [&Header; 2],
        item: Option<(usize, &Thread, Flexpage)>,
        again: Deferred,
    ) -> Result<Option<bool>, IpcError> {
        let [Some(source), Some(destination)] = headers.map(Header::downcast::<Task>) else {
            return Err(IpcError::SEND_MAP_FAILED);
        };
        let step = |cursor: &Cursor| mapping.step(cpu, [source, destination], cursor);
        if let Some(result) = self.run_steps(cpu, step) {
            return result.map(Some).map_err(|_| IpcError::SEND_MAP_FAILED);
        }
        let [Some(source), Some(destination)] = headers.map(Ref::from_header) else {
            return Err(IpcError::SEND_MAP_FAILED);
        };
        let item = match item {
            None => None,
            Some((at, partner, window)) => Some(PausedItem {
                at,
                partner: partner.counted().ok_or(IpcError::NOT_EXISTENT)?,
                window,
            }),
        };
        let operation = LongOperation::Map(mapping, [source, destination], item);
        self.pause(cpu, operation, again);
        Ok(None)
    }

    /// Keeps the progress of an operation of this thread, until it is its turn
    /// again, to do `again`.
    pub fn pause(&self, cpu: &Cpu, operation: LongOperation, again: Deferred) {
        let state = self.state(cpu);
        state.operation.replace(Some(operation));
        state.deferred.set(again);
        // One of another CPU goes home now, and comes again.
        if cpu.current.is(self) {
            cpu.paused.set(true);
            cpu.reschedule.set(true);
        }
    }

    /// The map operation that has paused, to go on with, and its tasks: that of a
    /// message's [item](Self::paused_item), or Task map.
    pub fn take_map(&self, cpu: &Cpu, of_item: bool) -> Option<(Mapping, [Ref<Task>; 2])> {
        match self.take_operation(cpu)? {
            LongOperation::Map(mapping, tasks, item) if item.is_some() == of_item => {
                Some((mapping, tasks))
            }
            other => self.refuse_operation(cpu, other),
        }
    }

    /// The unmap operation that has paused, to go on with: of the flexpage in
    /// this message word, and its task.
    pub fn take_unmap(&self, cpu: &Cpu) -> Option<(Revocation, usize, Ref<Task>)> {
        match self.take_operation(cpu)? {
            LongOperation::Unmap(revocation, index, task) => Some((revocation, index, task)),
            other => self.refuse_operation(cpu, other),
        }
    }

    /// The new task of a create that has paused, whose kernel-user memory is to be added.
    pub fn take_task(&self, cpu: &Cpu) -> Option<Ref<Task>> {
        match self.take_operation(cpu)? {
            LongOperation::Task(task) => Some(task),
            other => self.refuse_operation(cpu, other),
        }
    }

    /// How many parts an operation of this thread that has paused has done.
    pub fn take_parts(&self, cpu: &Cpu) -> usize {
        match self.take_operation(cpu) {
            Some(LongOperation::Parts(next)) => next,
            Some(other) => self.refuse_operation(cpu, other).unwrap_or(0),
            None => 0,
        }
    }

    /// Whether a modify_senders of `receiver` that has paused goes on now.
    pub fn take_labels(&self, cpu: &Cpu, receiver: &Thread) -> bool {
        match self.take_operation(cpu) {
            Some(LongOperation::Labels(thread)) if thread.id == receiver.id => true,
            Some(other) => self.refuse_operation(cpu, other).unwrap_or(false),
            None => false,
        }
    }

    /// With whom it has paused in the middle of a message.
    pub fn paused_partner<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        match &*self.state(cpu).operation.borrow() {
            Some(LongOperation::Map(_, _, Some(item))) => Some(item.partner.get(cpu)),
            _ => None,
        }
    }

    /// The message register of the item of a message to or from `partner` in
    /// the mapping of which it has paused, the window and the task for it. Anything
    /// else that has paused is given up: meanwhile its system call has come to name
    /// `partner`.
    pub fn paused_item<'cpu>(
        &self,
        cpu: &'cpu Cpu,
        partner: &Thread,
    ) -> Option<(usize, Flexpage, &'cpu Task)> {
        let paused = match &*self.state(cpu).operation.borrow() {
            Some(LongOperation::Map(_, [_, task], Some(item))) if item.partner.id == partner.id => {
                Some((item.at, item.window, task.get(cpu)))
            }
            _ => None,
        };
        if paused.is_none() {
            self.give_up_operation(cpu);
        }
        paused
    }

    fn take_operation(&self, cpu: &Cpu) -> Option<LongOperation> {
        let operation = &self.state(cpu).operation;
        // Mostly there is none; moving that out would take longer.
        if operation.borrow().is_none() {
            return None;
        }
        operation.take()
    }

    /// The system call is not the one that paused: its message was changed
    /// meanwhile.
    #[cold]
    fn refuse_operation<T>(&self, cpu: &Cpu, operation: LongOperation) -> Option<T> {
        self.state(cpu).operation.replace(Some(operation));
        self.give_up_operation(cpu);
        None
    }

    /// Gives up an operation that has paused.
    #[inline(always)]
    pub fn give_up_operation(&self, cpu: &Cpu) {
        if self.state(cpu).operation.borrow().is_some() {
            self.end_operation(cpu);
        }
    }

    #[cold]
    fn end_operation(&self, cpu: &Cpu) {
        match self.take_operation(cpu) {
            None => {}
            Some(LongOperation::Labels(receiver)) => receiver.mailbox.end_rewriting(cpu),
            Some(LongOperation::Task(task)) => doom(cpu, task.header()),
            Some(_) => self.state(cpu).cursor.retract(&cpu.kernel.mappings),
        }
    }
}

#[cfg(test)]
mod tests {
    use l4_abi::flexpage::Flexpage;
    use l4_abi::protocol::label;
    use l4_abi::protocol::task::UnmapMask;
    use l4_abi::rights::CapabilityRights;
    use l4_abi::rights::MemoryRights;
    use machine::event::Source;

    use super::*;
    use crate::object::Ref;
    use crate::testing::{Syscall, TEST_MEMORY, TestTask, World, run};

    /// More pages than an operation handles without a pause.
    const PAGES: u64 = 300;
    const START: u64 = TEST_MEMORY;
    const ORDER: u32 = 21;

    /// A thread, its task with many pages, and the slot of that task.
    fn task_with_pages(world: &mut World) -> (Ref<Thread>, TestTask, u64) {
        let task = world.task();
        let thread = world.thread(&task, 10);
        let own = world.give_full(&task, task.header());
        let sigma0 = world.sigma0_task();
        let source = world.give_full(&task, sigma0.header());
        for page in 0..PAGES {
            let address = START + page * 0x1000;
            let flexpage = Flexpage::memory(address, 12, MemoryRights::RWX).raw();
            let words = [0, address, flexpage];
            let result = world.invoke(&thread, own, label::TASK, &words, Some(source));
            assert_eq!(result, 0);
        }
        (thread, task, own)
    }

    fn pages(task: &TestTask) -> u64 {
        let space = task.task.memory.space();
        (0..PAGES)
            .filter(|page| space.page_at(START + page * 0x1000).is_some())
            .count() as u64
    }

    fn unmap(world: &World, thread: &Thread, task: u64) -> Syscall {
        let all = Flexpage::memory(START, ORDER, MemoryRights::RWX).raw();
        world.write(thread, &[1, UnmapMask::ALL_SPACES.raw(), all]);
        Syscall::invoke(task, label::TASK, 3)
    }

    #[test]
    fn an_unmap_lets_waiting_interrupts_in_and_goes_on() {
        run(|world| {
            let (thread, task, own) = task_with_pages(world);
            world.cpu.kernel.platform.chip.set_pending(true);
            let call = unmap(world, &thread, own);
            world.syscall(&thread, call);
            let left = pages(&task);
            assert!(left > 0 && left < PAGES, "{left} pages are left");
            assert!(world.cpu.block().is_idle(), "interrupts can come now");
            // Each further pause makes progress.
            world.enter(Source::Spurious);
            assert!(pages(&task) < left);
            world.cpu.kernel.platform.chip.set_pending(false);
            world.enter(Source::Spurious);
            assert_eq!(pages(&task), 0);
            assert!(world.runs(&thread) && !world.cpu.block().is_idle());
        });
    }

    #[test]
    fn a_more_urgent_thread_runs_while_an_unmap_pauses() {
        run(|world| {
            let (thread, task, own) = task_with_pages(world);
            let urgent = world.thread(&task, 20);
            world.syscall(&urgent, Syscall::sleep());
            world.cpu.kernel.platform.chip.set_pending(true);
            let call = unmap(world, &thread, own);
            world.syscall(&thread, call);
            urgent.cancel(world.cpu);
            world.cpu.kernel.platform.chip.set_pending(false);
            world.enter(Source::Spurious);
            assert!(world.runs(&urgent));
            assert!(pages(&task) > 0);
            world.syscall(&urgent, Syscall::sleep());
            assert!(world.runs(&thread));
            assert_eq!(pages(&task), 0);
        });
    }

    #[test]
    fn a_thread_that_is_destroyed_leaves_no_trace_of_its_paused_unmap() {
        run(|world| {
            let (thread, task, own) = task_with_pages(world);
            world.cpu.kernel.platform.chip.set_pending(true);
            let call = unmap(world, &thread, own);
            world.syscall(&thread, call);
            world.cpu.kernel.platform.chip.set_pending(false);
            world.destroy(thread.header());
            assert!(pages(&task) > 0);
        });
    }

    #[test]
    fn a_task_that_is_destroyed_lets_interrupts_in() {
        run(|world| {
            let (_, task, _) = task_with_pages(world);
            world.cpu.kernel.platform.chip.set_pending(true);
            world.destroy(task.header());
            assert!(world.cpu.block().is_idle());
            world.cpu.kernel.platform.chip.set_pending(false);
            world.enter(Source::Spurious);
            assert_eq!(pages(&task), 0);
        });
    }

    #[test]
    fn a_paused_unmap_stays_with_its_task_when_the_slot_comes_to_name_another() {
        run(|world| {
            const SLOTS: u64 = 0x400;
            let (task, first, second) = (world.task(), world.task(), world.task());
            let thread = world.thread(&task, 10);
            let semaphore = world.semaphore();
            for index in 0..64 {
                let slot = first.task.make_slot(world.cpu, SLOTS + index);
                let slot = slot.expect("there is memory");
                assert!(slot.fill(semaphore.header(), CapabilityRights::FULL));
            }
            world.give_memory(&second, START);
            let space = second.task.memory.space();
            let pages = || space.pages_in(START, START + (1 << 20)).count();
            let before = pages();
            let slot = world.give(&task, first.header(), CapabilityRights::RWS);
            world.cpu.kernel.platform.chip.set_pending(true);
            let all = Flexpage::ALL_SPACES.with_rights(MemoryRights::RWX.bits());
            world.write(&thread, &[1, UnmapMask::ALL_SPACES.raw(), all.raw()]);
            world.syscall(&thread, Syscall::invoke(slot, label::TASK, 3));
            assert!(world.cpu.unfinished.get());
            world.put(&task, slot, second.header());
            world.cpu.kernel.platform.chip.set_pending(false);
            world.enter(Source::Spurious);
            assert!(world.runs(&thread));
            assert_eq!(pages(), before);
            let slots = &first.task.capabilities;
            assert!(slots.lookup(world.cpu, SLOTS + 63).is_none());
        });
    }

    #[test]
    fn a_paused_unmap_whose_message_changes_is_given_up() {
        run(|world| {
            let (thread, task, own) = task_with_pages(world);
            // What was mapped from the first page: more than a step handles.
            let copies = START + (1 << ORDER);
            for page in 0..PAGES {
                let flexpage = Flexpage::memory(START, 12, MemoryRights::RWX).raw();
                let words = [0, copies + page * 0x1000, flexpage];
                let result = world.invoke(&thread, own, label::TASK, &words, Some(own));
                assert_eq!(result, 0);
            }
            let unmap_copies = |world: &World| {
                let first = Flexpage::memory(START, 12, MemoryRights::RWX).raw();
                world.write(&thread, &[1, UnmapMask::OTHER_SPACES.raw(), first]);
                Syscall::invoke(own, label::TASK, 3)
            };
            for _ in 0..2 {
                world.cpu.kernel.platform.chip.set_pending(true);
                let call = unmap_copies(world);
                world.syscall(&thread, call);
                assert!(world.cpu.unfinished.get());
                // Somebody who shares the UTCB makes a map of it.
                world.write(&thread, &[0]);
                world.cpu.kernel.platform.chip.set_pending(false);
                world.enter(Source::Spurious);
                assert!(world.runs(&thread));
            }
            let call = unmap_copies(world);
            world.syscall(&thread, call);
            let space = task.task.memory.space();
            let left = (0..PAGES).filter(|page| space.page_at(copies + page * 0x1000).is_some());
            assert_eq!(left.count(), 0);
        });
    }
}
