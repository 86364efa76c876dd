//! What happens: kernel entries and time; and what came of it.

use l4_abi::error::IpcError;
use l4_abi::item::{MapItem, SendItem};
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::utcb::{BUFFER_DESCRIPTOR_OFFSET, BUFFERS_OFFSET, ERROR_OFFSET};
use machine::event::{Fault, Source};
use machine::per_cpu::{BIND, CREATE, EX_REGS, RESUME, RUN, ShortWay, TaskAnswer};
use machine::trap::Interrupt;

use super::{Doing, Syscall, TestTask, World, invariants, syscall};
use crate::cpu::{Cpu, CpuLocal};
use crate::object::Header;
use crate::object::thread::{Life, Thread, Waiting};

/// How far the short way leads that entry code chooses for a system call of the
/// current thread with these registers.
pub(crate) fn short_way(cpu: &Cpu, [label, destination, tag, timeouts]: [u64; 4]) -> ShortWay {
    let led = match MessageTag::from_raw(tag) {
        _ if [tag, destination] == RESUME => CpuLocal::resume(cpu),
        CREATE => Ok(CpuLocal::create_thread(cpu, label, destination)),
        BIND => Ok(CpuLocal::bind_thread(cpu, label, destination)),
        EX_REGS => Ok(CpuLocal::ex_regs(cpu, label, destination)),
        tag if tag.label() == label::TASK => {
            Ok(CpuLocal::task_syscall(cpu, label, destination, tag.raw()))
        }
        RUN if CpuLocal::run_thread(cpu, label, destination) => Err(ShortWay::ToTheFrame),
        _ => Err(CpuLocal::short_syscall(
            cpu,
            label,
            destination,
            tag,
            timeouts,
        )),
    };
    let answer = match led {
        Ok(answer) => answer,
        Err(way) => return way,
    };
    if let (Some(thread), Some(tag)) = (cpu.current.get(cpu), answer.tag()) {
        thread.state(cpu).context.frame.set_tag(tag.raw());
        return ShortWay::ToTheEnd;
    }
    match answer {
        TaskAnswer::NOWHERE => ShortWay::Nowhere,
        _ => ShortWay::ToTheExit,
    }
}

impl World {
    /// `thread`, which is ready, makes a system call: the kernel is entered
    /// with its registers. Where it stood among the ready threads, it does
    /// not any more.
    pub(crate) fn syscall(&mut self, thread: &Thread, call: Syscall) -> Doing {
        self.on(thread.home() as usize);
        self.run_now(thread);
        syscall::set(self.cpu, thread, call);
        if self.prepares {
            return self.doing(thread);
        }
        match self.take_fast_path(thread) {
            ShortWay::Nowhere => CpuLocal::syscall(self.cpu),
            ShortWay::ToTheExit => CpuLocal::finish(self.cpu),
            _ => {}
        }
        self.check();
        self.doing(thread)
    }

    /// Tries the system call in the registers of `thread` as entry code does;
    /// not if it is not in user mode, but was only made the current one.
    fn take_fast_path(&self, thread: &Thread) -> ShortWay {
        let cpu = &*self.cpu;
        let frame = &thread.state(cpu).context.frame;
        let timeouts = u64::from(frame.timeouts());
        let (label, destination, tag) = (frame.label(), frame.destination(), frame.tag());
        if !self.fast || !self.is_in_user_mode(thread) {
            return ShortWay::Nowhere;
        }
        let led = short_way(cpu, [label, destination, tag, timeouts]);
        let taken = self.short_syscalls.get() + usize::from(led != ShortWay::Nowhere);
        self.short_syscalls.set(taken);
        led
    }

    /// True if it is; else a CPU that waits for something to end, or a decision
    /// that is left, is as in an entry by an interrupt.
    fn is_in_user_mode(&self, thread: &Thread) -> bool {
        let cpu = &*self.cpu;
        cpu.loaded.is(thread) && !cpu.reschedule.get() && !cpu.block().is_idle()
    }

    /// `thread`, which is ready, makes a fault.
    pub(crate) fn fault(&mut self, thread: &Thread, fault: Fault) -> Doing {
        self.on(thread.home() as usize);
        self.run_now(thread);
        if self.fast && self.is_in_user_mode(thread) {
            CpuLocal::fault(self.cpu, &fault);
        } else {
            crate::fault::fault(self.cpu, &fault);
            CpuLocal::finish(self.cpu);
        }
        self.check();
        self.doing(thread)
    }

    /// The state of the kernel after an entry is a good one.
    fn check(&mut self) {
        self.end_meanwhile();
        self.notice_interrupts();
        self.made = invariants::check(self);
    }

    /// Makes a ready thread the current one, on its own time slice.
    fn run_now(&mut self, thread: &Thread) {
        let cpu = &*self.cpu;
        assert!(thread.is_runnable(cpu), "{:?}", self.doing(thread));
        assert!(!thread.has_deferred(cpu), "it is not in user mode");
        if cpu.current.is(thread) {
            return;
        }
        if let Some(current) = cpu.current.get(cpu) {
            let priority = current.state(cpu).priority.get();
            cpu.ready.push_front(current, priority);
        }
        cpu.ready.remove(thread, thread.state(cpu).priority.get());
        cpu.current.set(Some(thread));
        cpu.budget.start(cpu, thread);
        // A more urgent one may be ready.
        cpu.reschedule.set(true);
    }

    /// `thread` performs an operation on the object in slot `index`, with
    /// these words and perhaps a capability as an argument; the label of the
    /// answer.
    pub(crate) fn invoke(
        &mut self,
        thread: &Thread,
        index: u64,
        label: i64,
        words: &[u64],
        argument: Option<u64>,
    ) -> i64 {
        match self.start_invocation(thread, index, label, words, argument) {
            Doing::Done(tag) => tag.label(),
            other => panic!("{other:?} instead of an answer"),
        }
    }

    /// As `invoke`; the thread may have to wait.
    pub(crate) fn start_invocation(
        &mut self,
        thread: &Thread,
        index: u64,
        label: i64,
        words: &[u64],
        argument: Option<u64>,
    ) -> Doing {
        self.write(thread, words);
        let mut call = Syscall::call(index).tag(label, words.len(), 0);
        if let Some(argument) = argument {
            let item = SendItem::Map(MapItem::capability(argument, CapabilityRights::RWSD));
            for (offset, word) in item.words().into_iter().enumerate() {
                let utcb = thread.utcb(self.cpu_of(thread));
                utcb.set_word(words.len() + offset, word);
            }
            call = call.tag(label, words.len(), 1);
        }
        self.syscall(thread, call)
    }

    /// Something happens that is no doing of the current thread.
    pub(crate) fn enter(&mut self, source: Source) {
        CpuLocal::interrupt(self.cpu, Interrupt(source));
        self.check();
    }

    /// Time passes; the timers fire when they are told to.
    pub(crate) fn advance(&mut self, microseconds: u64) {
        let own = self.cpu.id() as usize;
        let end = self.now() + microseconds;
        let mut fired = 0;
        while let Some((deadline, id)) = self.next_deadline().filter(|(next, _)| *next <= end) {
            self.on(id);
            let timer = &self.cpu.kernel.platform.timer;
            timer.advance(deadline.saturating_sub(timer.now()));
            timer.stop();
            self.enter(Source::Timer);
            fired += 1;
            assert!(fired < 100_000, "the timer fires for ever");
        }
        self.on(own);
        let timer = &self.cpu.kernel.platform.timer;
        timer.advance(end.saturating_sub(timer.now()));
    }

    /// The next deadline of a timer, and its CPU.
    fn next_deadline(&mut self) -> Option<(u64, usize)> {
        let mut next = None;
        for id in 0..self.cpus() {
            let deadline = self.on(id).cpu.kernel.platform.timer.deadline();
            next = next.into_iter().chain(deadline.map(|at| (at, id))).min();
        }
        next
    }

    /// The time, in µs.
    pub(crate) fn now(&self) -> u64 {
        self.cpu.kernel.platform.timer.now()
    }

    // What came of it.

    /// True if `thread` runs now.
    pub(crate) fn runs(&self, thread: &Thread) -> bool {
        self.all_cpus().any(|cpu| cpu.current.is(thread))
    }

    /// What `thread` is doing.
    pub(crate) fn doing(&self, thread: &Thread) -> Doing {
        let cpu = self.cpu_of(thread);
        let state = thread.state(cpu);
        let tag = MessageTag::from_raw(state.context.frame.tag());
        match state.waiting.get() {
            _ if state.life.get() == Life::Dead => Doing::Dead,
            Waiting::Nothing if tag.has_error() => {
                let error = thread.utcb(cpu).word(ERROR_OFFSET / 8);
                Doing::Failed(IpcError::from_word(error))
            }
            Waiting::Nothing => Doing::Done(tag),
            waiting => Doing::Waits(waiting),
        }
    }

    /// The label that `thread` received.
    pub(crate) fn label(&self, thread: &Thread) -> u64 {
        thread.state(self.cpu_of(thread)).context.frame.label()
    }

    /// A message register.
    pub(crate) fn word(&self, thread: &Thread, index: usize) -> u64 {
        thread.utcb(self.cpu_of(thread)).word(index)
    }

    /// Writes message registers, from the first on.
    pub(crate) fn write(&self, thread: &Thread, words: &[u64]) {
        for (index, word) in words.iter().enumerate() {
            thread.utcb(self.cpu_of(thread)).set_word(index, *word);
        }
    }

    /// Writes buffer registers, from the first on; all types use them.
    pub(crate) fn write_buffers(&self, thread: &Thread, words: &[u64]) {
        let utcb = thread.utcb(self.cpu_of(thread));
        utcb.set_word(BUFFER_DESCRIPTOR_OFFSET / 8, 0);
        for (index, word) in words.iter().enumerate() {
            utcb.set_word(BUFFERS_OFFSET / 8 + index, *word);
        }
    }

    /// What slot `index` of `task` holds: the rights, if it names `object`.
    pub(crate) fn rights(
        &self,
        task: &TestTask,
        index: u64,
        object: &Header,
    ) -> Option<CapabilityRights> {
        let entry = task.task.capabilities.lookup(self.cpu, index)?;
        entry.object.is(object).then_some(entry.rights)
    }
}
