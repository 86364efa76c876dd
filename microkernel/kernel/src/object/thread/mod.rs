//! Threads: registers, a UTCB, a priority, and the one thing that each waits
//! for.
//!
//! What only the home CPU may touch is in [`ThreadState`]. A thread never
//! blocks on a stack: what it waits for is [`Waiting`], and whoever ends the
//! wait finishes the operation for it.

#[cfg(feature = "fast-paths")]
pub mod fast;
mod lifecycle;
mod long_operation;
mod operations;
#[cfg_attr(not(feature = "fast-paths"), path = "standing/absent.rs")]
pub mod standing;
mod trampoline;
pub mod vcpu;
mod wait_queue;

use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use l4_abi::capability::Selector;
use l4_abi::flexpage::Flexpage;
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::Operation;
use l4_abi::timeout::TimeoutPair;
use machine::cell::Homed;
use machine::context::Context;
use machine::list::Links;
use machine::object::pair::{Half, Paired};
use machine::object::{Anchor, Anchored, OwnHeader};
use machine::utcb::{Utcb, UtcbPointer};

use super::ipc_gate::IpcGate;
use super::irq::Irq;
use super::semaphore::Semaphore;
use super::task::{Mapping, Revocation, Task};
use super::{Common, Kind, Ref, RefSlot};
use crate::cpu::Cpu;
use crate::ipc::{Mailbox, ReplyPlace, Request};
use crate::mapping::Cursor;
use crate::memory::OutOfMemory;
use crate::memory::quota::QuotaRef;
use crate::remote::Errands;
use crate::scheduling::DEFAULT_QUANTUM;

pub use standing::LocalState;
pub use trampoline::Trampoline;
pub use vcpu::Vcpu;
pub use wait_queue::{NextSender, QueuePlace, WaitQueue, end_waits};

/// A thread.
pub struct Thread {
    /// Tells this thread from all others, dead ones too.
    pub id: u64,
    own: OwnHeader<Common>,
    anchor: Anchor,
    ready: Links<Thread>,
    timeout: Links<Thread>,
    /// Its place in the queue in which it waits.
    pub place: QueuePlace,
    task: RefSlot<Task>,
    /// The CPU that it runs on, and goes home to.
    residence: AtomicU32,
    /// What other CPUs ask about it.
    pub errands: Errands,
    /// Who waits to send to it.
    pub mailbox: Mailbox,
    /// Its implicit reply capability.
    pub reply: ReplyPlace,
    /// The reply capability that names it.
    pub answer: Half<ReplyPlace>,
    /// W and S of the capability through which that call came.
    pub answer_rights: AtomicU8,
    /// The thread whose answer it waits for, as [`ReplyPlace`]s of that thread's
    /// task know it.
    pub answerer: AtomicU64,
    /// Triggered when a gate to this thread is destroyed.
    pub deletion_irq: RefSlot<Irq>,
    quota: QuotaRef,
    state: Homed<ThreadState>,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Nothing: it runs or is ready.
    Nothing,
    /// A receiver, in whose mailbox it is.
    Send,
    /// A message.
    Receive(Source),
    /// Somebody who binds the gate.
    Gate,
    /// A semaphore to be raised.
    Semaphore,
    /// To get to another CPU, with something to do there ([`Deferred`], or a
    /// round of `remote::wait_for_ends`).
    Remote,
}

/// Whose message a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Anybody's.
    Anyone,
    /// That of the thread with this number.
    Thread(u64),
    /// That of the interrupt with this number.
    Irq(u64),
    /// Nobody's: it sleeps.
    Nobody,
}

/// How far a thread has come in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It has no instruction pointer yet (no ex_regs).
    New,
    /// It runs, waits or could run.
    Alive,
    /// The kernel killed it, or it is destroyed.
    Dead,
}

/// What the message that a thread exchanges is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Its own system call.
    Syscall,
    /// The kernel reports its page fault: this is the address, and what it
    /// wanted there.
    PageFault(u64),
    /// The kernel reports its exception.
    Exception,
    /// It enters its vCPU.
    Upcall,
}

/// What a thread has to do before it returns to user mode; or when it gets to
/// another CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deferred {
    /// Nothing.
    Nothing,
    /// The receive phase of its [`Request`].
    Receive,
    /// The system call in its registers, which paused, or concerns a thread
    /// of the other CPU.
    Syscall,
    /// Report its fault: whoever handles it is on the other CPU.
    Fault,
    /// Report the exception in its frame.
    Exception,
    /// Try again to reach the gate that it waited for.
    Gate,
    /// Let a queued message enter its vCPU.
    Upcall,
    /// Go on where entries of its vCPU begin: all else of one is done.
    Entry,
}

/// An exception without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// ex_regs with TRIGGER_EXCEPTION.
    Triggered,
    /// The alien's system call is done.
    SyscallExecuted,
}

/// An operation of the thread that has paused, because an interrupt waited. With a
/// tag of its own there is nothing else to write if there is none.
#[repr(u64)]
pub enum LongOperation {
    /// Task map, or the mapping of an item. Both tasks.
    Map(Mapping, [Ref<Task>; 2], Option<PausedItem>),
    /// Task unmap: of the flexpage in this message word.
    Unmap(Revocation, usize, Ref<Task>),
    /// Factory create of a task, which has to get its kernel-user memory.
    Task(Ref<Task>),
    /// How many parts are done: areas of Task add_ku_mem, messages of Vlog write.
    Parts(usize),
    /// Thread modify_senders, of this thread; its mailbox knows how far it is.
    Labels(Ref<Thread>),
}

/// The item of a message whose mapping has paused.
pub struct PausedItem {
    /// Its message register.
    pub at: usize,
    /// From or to whom the message is; of a vCPU's resume, itself.
    pub partner: Ref<Thread>,
    /// Where it goes.
    pub window: Flexpage,
}

/// What the home CPU keeps of a thread.
pub struct ThreadState {
    /// Its registers.
    pub context: Context,
    /// Its UTCB; the kernel's own scrap UTCB while it is not bound.
    pub utcb: Cell<UtcbPointer>,
    /// How far it has come.
    pub life: Cell<Life>,
    /// It has been given to the scheduler.
    pub scheduled: Cell<bool>,
    /// 1 to 255.
    pub priority: Cell<u8>,
    /// Length of its time slice in µs.
    pub quantum: Cell<u64>,
    /// What is left of its time slice in µs; nothing if not positive.
    pub remaining: Cell<i64>,
    /// Time it has used in µs.
    pub consumed: Cell<u64>,
    /// What it waits for; changed by [`Thread::set_waiting`].
    pub waiting: Cell<Waiting>,
    /// What it has to do before it returns to user mode.
    pub deferred: Cell<Deferred>,
    /// The IPC that it is in.
    pub request: Cell<Request>,
    /// What that IPC is for.
    pub purpose: Cell<Purpose>,
    /// The receiver in whose mailbox it is.
    pub receiver: RefSlot<Thread>,
    /// The gate on whose list it is, or was until it was bound.
    pub gate: RefSlot<IpcGate>,
    /// The phases of the IPC that waits for the gate.
    pub gate_operation: Cell<Operation>,
    /// The semaphore on whose list it is.
    pub semaphore: RefSlot<Semaphore>,
    /// When its wait ends, in µs, if it is on a timeout list.
    pub deadline: Cell<u64>,
    /// It waits until `deadline`, but has left the timeout list of one CPU and
    /// has not got to the other yet.
    pub has_deadline: Cell<bool>,
    /// The CPU to which it leaves.
    pub destination: Cell<u32>,
    /// The CPUs whose threads it has ended and still has to visit.
    pub round: Cell<u64>,
    /// No reply slot of its task below this one has a caller that waits for it.
    pub callers_from: Cell<u64>,
    /// Slot of its pager in its task.
    pub pager: Cell<u64>,
    /// Slot of its exception handler in its task.
    pub exception_handler: Cell<u64>,
    /// Its system calls are exceptions.
    pub is_alien: Cell<bool>,
    /// The next system call of the alien is allowed.
    pub allow_syscall: Cell<bool>,
    /// The exception that it has before it goes on in user mode; set by
    /// [`Thread::set_stop`].
    pub stop: Cell<Option<Stop>>,
    /// Its operation that has paused.
    pub operation: RefCell<Option<LongOperation>>,
    /// Where that is in the mapping tree.
    pub cursor: Cursor,
    /// Its FPU registers, once it has used the FPU.
    pub fpu: crate::scheduling::FpuPlace,
    /// What it is as a vCPU.
    pub vcpu: Vcpu,
    /// How it handles page faults itself.
    pub trampoline: Trampoline,
}

impl ThreadState {
    /// True if its system calls are not just carried out: it is an alien, or
    /// in the user task of its vCPU.
    pub fn intercepts_syscalls(&self) -> bool {
        self.is_alien.get() || self.vcpu.is_in_user_task()
    }

    /// Whether the thread's exception waits for a handler, which ex_regs respects.
    pub(super) fn is_in_exception(&self) -> bool {
        matches!(self.purpose.get(), Purpose::Exception) && self.waiting.get() != Waiting::Nothing
    }

    /// Gives the thread, which is on no ready list, a priority and a new time slice.
    #[inline(always)]
    pub fn set_parameters(&self, priority: u8, quantum: u64) {
        self.priority.set(priority);
        // So its end, as a time, fits into a word.
        let quantum = quantum.min(i64::MAX as u64);
        self.quantum.set(quantum);
        self.remaining.set(quantum as i64);
        self.scheduled.set(true);
    }

    /// True if the thread has something to do before it goes on in user mode.
    #[inline(always)]
    pub fn has_deferred(&self) -> bool {
        self.deferred.get() != Deferred::Nothing || self.stop.get().is_some()
    }
}

impl Paired<ReplyPlace> for Thread {
    fn half(&self) -> &Half<ReplyPlace> {
        &self.answer
    }
}

impl Anchored for Thread {
    fn anchor(&self) -> &Anchor {
        &self.anchor
    }
}

/// The slot number of "no capability", as Thread control reads it back.
const NO_SLOT: u64 = u64::MAX >> Selector::SHIFT << Selector::SHIFT >> Selector::SHIFT;

impl Thread {
    /// Makes a thread of CPU `home` that is bound to no task and that `quota`
    /// pays for.
    #[inline(always)]
    pub fn create(cpu: &Cpu, quota: QuotaRef, home: u32) -> Result<Ref<Thread>, OutOfMemory> {
        let thread =
            super::create_in_place(cpu, quota, Kind::Thread, || Self::new(cpu, home, quota))?;
        thread.own.set(thread.header());
        Ok(thread)
    }

    #[inline(always)]
    fn new(cpu: &Cpu, home: u32, quota: QuotaRef) -> Self {
        let scrap = UtcbPointer::to_static(&cpu.kernel.scrap_utcb);
        Self {
            id: cpu.kernel.new_id(),
            own: OwnHeader::unknown(),
            anchor: Anchor::new(),
            ready: Links::new(),
            timeout: Links::new(),
            place: const { QueuePlace::new() },
            task: RefSlot::empty(),
            residence: AtomicU32::new(home),
            errands: const { Errands::new() },
            mailbox: const { Mailbox::new() },
            reply: const { ReplyPlace::new() },
            answer: Half::new(),
            answer_rights: AtomicU8::new(0),
            answerer: AtomicU64::new(0),
            deletion_irq: RefSlot::empty(),
            quota,
            state: Homed::new(
                home,
                ThreadState {
                    context: Context::new(),
                    utcb: Cell::new(scrap),
                    life: Cell::new(Life::New),
                    scheduled: Cell::new(false),
                    priority: Cell::new(1),
                    quantum: Cell::new(DEFAULT_QUANTUM),
                    remaining: Cell::new(DEFAULT_QUANTUM as i64),
                    consumed: Cell::new(0),
                    waiting: Cell::new(Waiting::Nothing),
                    deferred: Cell::new(Deferred::Nothing),
                    request: const { Cell::new(Request::new(MessageTag::EMPTY, TimeoutPair::NEVER)) },
                    purpose: Cell::new(Purpose::Syscall),
                    receiver: RefSlot::empty(),
                    gate: RefSlot::empty(),
                    gate_operation: Cell::new(Operation::empty()),
                    semaphore: RefSlot::empty(),
                    deadline: Cell::new(0),
                    has_deadline: Cell::new(false),
                    destination: Cell::new(home),
                    round: Cell::new(0),
                    callers_from: Cell::new(u64::MAX),
                    pager: Cell::new(NO_SLOT),
                    exception_handler: Cell::new(NO_SLOT),
                    is_alien: Cell::new(false),
                    allow_syscall: Cell::new(false),
                    stop: Cell::new(None),
                    operation: RefCell::new(None),
                    // As a constant it would be made on the stack and copied: not all of it is zero.
                    cursor: Cursor::new(),
                    fpu: crate::scheduling::FpuPlace::new(),
                    vcpu: const { Vcpu::new() },
                    trampoline: const { Trampoline::new() },
                },
            ),
        }
    }

    /// The CPU that it is on, for now: the one that may touch its state.
    pub fn home(&self) -> u32 {
        self.state.home()
    }

    /// True if it is on this CPU.
    pub fn is_here(&self, cpu: &Cpu) -> bool {
        self.home() == cpu.id()
    }

    /// Lets it be on another CPU.
    pub fn set_home(&self, cpu: &mut Cpu, home: u32) {
        let was_here = self.state.set_home(cpu, home);
        debug_assert!(was_here, "a thread leaves from where it is");
    }

    /// The CPU that it runs on.
    pub fn residence(&self) -> u32 {
        self.residence.load(Ordering::Relaxed)
    }

    /// True if it runs on this CPU, when it runs.
    pub fn lives_here(&self, cpu: &Cpu) -> bool {
        self.residence() == cpu.id()
    }

    /// Gives it another CPU to run on.
    pub fn set_residence(&self, cpu: &Cpu, residence: u32) {
        self.residence.store(residence, Ordering::Relaxed);
        self.review(cpu);
    }

    /// It has an exception before it goes on in user mode.
    pub fn set_stop(&self, cpu: &Cpu, stop: Stop) {
        self.state(cpu).stop.set(Some(stop));
        self.review(cpu);
    }

    /// True if it leaves this CPU when the kernel is left.
    pub fn is_departing(&self, cpu: &Cpu) -> bool {
        cpu.departures.contains(self)
    }

    /// A counted reference to it.
    pub fn counted(&self) -> Option<Ref<Thread>> {
        Ref::from_header(self.own.get()?)
    }

    /// What only the home CPU may touch.
    pub fn state<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> &'cpu ThreadState {
        self.local(cpu).value()
    }

    /// The same, with what proves that this is the home CPU.
    pub fn local<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> LocalState<'cpu> {
        self.state
            .get(cpu)
            .expect("a thread is handled by its home CPU")
    }

    /// The task that it is bound to.
    pub fn task<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Task> {
        self.task.get(cpu)
    }

    /// The header of the task that it is bound to.
    pub fn task_header<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu super::Header> {
        self.task.header(cpu)
    }

    /// The task whose address space it runs in: its own, or the user task of
    /// its vCPU.
    pub fn running_task<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> Option<&'cpu Task> {
        let vcpu = &self.state(cpu).vcpu;
        if vcpu.is_in_user_task() {
            vcpu.user_task().get(cpu)
        } else {
            self.task(cpu)
        }
    }

    /// Its UTCB, or the kernel's own scrap UTCB while it is not bound.
    pub fn utcb<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> &'cpu Utcb {
        self.state(cpu).utcb.get().get(cpu)
    }

    /// What pays for its memory.
    pub fn quota(&self) -> QuotaRef {
        self.quota
    }

    /// True if it could run now.
    #[inline(always)]
    pub fn is_runnable(&self, cpu: &Cpu) -> bool {
        self.could_run(self.state(cpu))
    }

    /// The same, with its state.
    #[inline(always)]
    pub fn could_run(&self, state: &ThreadState) -> bool {
        state.waiting.get() == Waiting::Nothing
            && state.life.get() == Life::Alive
            && state.scheduled.get()
            && !self.task.is_empty()
    }

    /// True if it has something to do before it goes on in user mode.
    #[inline(always)]
    pub fn has_deferred(&self, cpu: &Cpu) -> bool {
        self.state(cpu).has_deferred()
    }

    pub(crate) fn ready_links(&self) -> &Links<Thread> {
        &self.ready
    }

    pub(crate) fn timeout_links(&self) -> &Links<Thread> {
        &self.timeout
    }
}

#[cfg(test)]
pub(crate) mod tests;
