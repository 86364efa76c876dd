//! Kernel objects: one kind, one file.
//!
//! An operation on an object is decoded (checks, no effect) and performed. Its
//! result is an [`Outcome`]; what the caller did wrong is a [`Fail`].

pub mod burial;
pub mod factory;
pub mod icu;
pub mod invocation;
pub mod ipc_gate;
pub mod irq;
pub mod platform_control;
pub mod scheduler;
pub mod semaphore;
pub mod task;
pub mod thread;
pub mod vlog;

use core::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use l4_abi::error::{IpcError, ResultCode};
use l4_abi::message_tag::MessageTag;
use machine::lock::Lock;
use machine::object::size_of_object;

use crate::capability::CapabilityList;
use crate::cpu::{Cpu, CpuLocal};
use crate::debugger;
use crate::memory::OutOfMemory;
use crate::memory::quota::QuotaRef;
use crate::remote::{self, Errand};

pub use invocation::Invocation;

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`task::Task`]
    Task,
    /// [`thread::Thread`]
    Thread,
    /// [`ipc_gate::IpcGate`]
    IpcGate,
    /// [`irq::Irq`]
    Irq,
    /// [`semaphore::Semaphore`]
    Semaphore,
    /// [`factory::Factory`]
    Factory,
    /// [`icu::Icu`], which is platform control too
    Icu,
    /// [`scheduler::Scheduler`]
    Scheduler,
    /// [`vlog::Vlog`]
    Vlog,
    /// The kernel debugger's, in kernels that have it.
    Debugger,
}

/// What all kinds of objects have.
pub struct Common {
    /// The kind of the object behind this.
    pub kind: Kind,
    /// The slots that name the object.
    pub capabilities: Lock<CapabilityList>,
    /// How many of them are counted (abi/05 dec_refcnt may lower it).
    counted: AtomicI64,
    /// It is being destroyed, or has been.
    doomed: AtomicBool,
    /// What paid for its memory.
    pub quota: QuotaRef,
    /// What the kernel debugger knows of it.
    pub debug: debugger::Registered,
}

impl Common {
    /// Changes the number of counted capabilities; the new number.
    pub fn add_counted(&self, change: i64) -> i64 {
        self.counted
            .fetch_add(change, Ordering::Relaxed)
            .wrapping_add(change)
    }

    /// The number of counted capabilities, as far as nobody lowered it.
    pub fn counted(&self) -> i64 {
        self.counted.load(Ordering::Relaxed)
    }

    /// Lowers the number of counted capabilities by what a user says; the new
    /// number, which has room for all capabilities that can come and go.
    pub fn lower_counted(&self, difference: i64) -> i64 {
        let lower = |count: i64| count.saturating_sub(difference).max(i64::MIN / 2);
        let old = self
            .counted
            .update(Ordering::Relaxed, Ordering::Relaxed, lower);
        lower(old)
    }

    /// True once the object is being destroyed.
    pub fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Relaxed)
    }
}

/// An object of any kind.
pub type Header = machine::object::Header<Common>;
/// A counted reference to an object of any kind.
pub type ObjectRef = machine::object::AnyRef<Common>;
/// A counted reference to an object.
pub type Ref<T> = machine::object::Ref<Common, T>;
/// A place for a counted reference.
pub type RefSlot<T> = machine::object::RefSlot<Common, T>;

/// What an operation leads to, in one word: the tag that the caller gets; or
/// one with the mark of failed IPC, which no answer of an object has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Outcome(pub MessageTag);

impl Outcome {
    /// Success without data.
    pub const OK: Outcome = Outcome(MessageTag::EMPTY);
    /// There is no reply; a caller that wants to receive waits.
    pub const NO_REPLY: Outcome = Outcome(MessageTag::words_only(0, 0).with_error());
    /// Everything is done: the caller waits, has its result, or is gone.
    pub const DONE: Outcome = Outcome(MessageTag::words_only(0, 1).with_error());

    /// Success with `words` message words.
    pub const fn words(words: usize) -> Outcome {
        Outcome(MessageTag::words_only(0, words))
    }

    /// A result in the label.
    pub const fn label(label: i64) -> Outcome {
        Outcome(MessageTag::label_only(label))
    }
}

/// Why an operation fails, in one word: the tag that answers the request, with
/// an error code; or one with the mark of failed IPC and its error as label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fail(pub MessageTag);

impl From<ResultCode> for Fail {
    fn from(code: ResultCode) -> Self {
        Fail(MessageTag::label_only(code.label()))
    }
}

impl From<IpcError> for Fail {
    fn from(error: IpcError) -> Self {
        Fail(MessageTag::label_only(error.word() as i64).with_error())
    }
}

impl From<OutOfMemory> for Fail {
    fn from(error: OutOfMemory) -> Self {
        ResultCode::from(error).into()
    }
}

/// Fails with `otherwise` unless `holds`.
#[inline(always)]
pub fn ensure(holds: bool, otherwise: impl Into<Fail>) -> Result<(), Fail> {
    match holds {
        true => Ok(()),
        false => Err(refuse(otherwise)),
    }
}

/// A function, so that the compiler jumps there, and does not compute an
/// answer that is mostly not needed.
#[cold]
#[inline(never)]
fn refuse(error: impl Into<Fail>) -> Fail {
    error.into()
}

/// The result of an operation.
pub type OperationResult = Result<Outcome, Fail>;

/// Makes an object whose memory `quota` pays for.
pub fn create<T: Send + Sync + 'static>(
    cpu: &Cpu,
    quota: QuotaRef,
    kind: Kind,
    value: T,
) -> Result<Ref<T>, OutOfMemory> {
    create_in_place(cpu, quota, kind, || value)
}

/// The same for a large value, which is made where it stays.
#[inline(always)]
fn create_in_place<T: Send + Sync + 'static>(
    cpu: &Cpu,
    quota: QuotaRef,
    kind: Kind,
    value: impl FnOnce() -> T,
) -> Result<Ref<T>, OutOfMemory> {
    let heap = &cpu.kernel.heap;
    let storage = heap.allocate_charged(quota, size_of_object::<Common, T>())?;
    let common = Common {
        kind,
        capabilities: Lock::new(CapabilityList::new()),
        counted: AtomicI64::new(0),
        doomed: AtomicBool::new(false),
        quota,
        debug: debugger::Registered::new(),
    };
    let object = Ref::new(storage, &cpu.kernel.reaper, common, value);
    debugger::register(cpu.kernel, object.header());
    Ok(object)
}

/// Destroys `object`, and takes every capability to it away, before the kernel
/// is left.
pub fn doom(cpu: &Cpu, object: &Header) {
    cpu.doomed.push_once(object, &object.common().doomed);
}

/// Destroys the objects that were doomed in this kernel entry, and those that
/// this dooms. False if that has to pause.
#[inline(always)]
pub fn destroy_doomed(cpu: &Cpu) -> bool {
    // What paused comes first.
    while let Some(object) = cpu.ending.take().or_else(|| cpu.doomed.pop()) {
        if !(clear_capabilities(cpu, &object) && destroy(cpu, object.get(cpu))) {
            cpu.ending.set(Some(object));
            return false;
        }
        if CpuLocal::must_pause(cpu) {
            return cpu.doomed.is_empty();
        }
    }
    true
}

fn clear_capabilities(cpu: &Cpu, object: &Header) -> bool {
    loop {
        let first = object.common().capabilities.lock().front(cpu);
        let Some(capability) = first else {
            return true;
        };
        // Meanwhile it may name another one.
        drop(capability.clear_of(object));
        if CpuLocal::must_pause(cpu) {
            return false;
        }
    }
}

/// Ends what an object without capabilities does for others. False if that has
/// to pause: to be called again.
#[inline(always)]
fn destroy(cpu: &Cpu, object: &Header) -> bool {
    match object.common().kind {
        Kind::Task => with(object, |task: &task::Task| task.destroy(cpu)),
        Kind::Thread => with(object, |thread: &thread::Thread| {
            if thread.is_here(cpu) {
                return thread.destroy(cpu);
            }
            remote::ask(cpu, thread, Errand::Destroy);
            // Where it goes from now on it ends before it runs.
            cpu.ends_on.set(cpu.ends_on.get() | 1 << thread.home());
            true
        }),
        Kind::IpcGate => with(object, |gate: &ipc_gate::IpcGate| gate.destroy(cpu)),
        Kind::Irq => with(object, |irq: &irq::Irq| {
            irq.destroy(cpu);
            true
        }),
        Kind::Semaphore => with(object, |object: &semaphore::Semaphore| object.destroy(cpu)),
        Kind::Factory | Kind::Icu | Kind::Scheduler | Kind::Vlog | Kind::Debugger => true,
    }
}

fn with<T: 'static>(header: &Header, act: impl FnOnce(&T) -> bool) -> bool {
    let object = header.downcast();
    debug_assert!(object.is_some(), "an object is of the kind that it says");
    object.is_none_or(act)
}

/// Performs an operation on an object.
#[inline(always)]
pub fn invoke(call: &Invocation<'_>) -> OperationResult {
    let Some(header) = call.object else {
        return call.caller.invoke(call);
    };
    match header.common().kind {
        Kind::Task => perform(header, |task: &task::Task| task.invoke(call)),
        Kind::Factory => perform(header, |factory: &factory::Factory| factory.invoke(call)),
        Kind::Irq => perform(header, |irq: &irq::Irq| irq.invoke(call)),
        Kind::Semaphore => perform(header, |object: &semaphore::Semaphore| object.invoke(call)),
        Kind::Icu => perform(header, |icu: &icu::Icu| icu.invoke(call)),
        Kind::Scheduler => perform(header, |object: &scheduler::Scheduler| object.invoke(call)),
        Kind::Debugger => debugger::invoke(call),
        Kind::Vlog => perform(header, |vlog: &vlog::Vlog| vlog.invoke(call)),
        Kind::Thread => perform(header, |thread: &thread::Thread| thread.invoke(call)),
        Kind::IpcGate => perform(header, |gate: &ipc_gate::IpcGate| gate.invoke(call)),
    }
}

#[inline(always)]
fn perform<T: 'static>(
    header: &Header,
    act: impl FnOnce(&T) -> OperationResult,
) -> OperationResult {
    match header.downcast() {
        Some(object) => act(object),
        None => Err(IpcError::NOT_EXISTENT.into()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
