//! IPC gate: messages to it go to the thread that it is bound to, with the
//! gate's label (abi/03 §2, §9; abi/05).

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use l4_abi::error::{IpcError, ResultCode};
use l4_abi::operation::Operation;
use l4_abi::protocol::ipc_gate::{LABEL_RIGHTS_MASK, Opcode};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::Expiry;
use machine::list::List;
use machine::lock::Lock;

use super::thread::{Deferred, Queued, Thread, Waiting};
use super::{Fail, Header, Invocation, OperationResult, Outcome, Ref, RefSlot};
use crate::cpu::Cpu;
use crate::ipc;
use crate::scheduling;

/// A gate.
pub struct IpcGate {
    label: AtomicU64,
    thread: RefSlot<Thread>,
    /// Threads that wait until it is bound.
    waiters: Lock<List<Thread, Queued>>,
}

impl IpcGate {
    /// A gate that is bound to no thread.
    pub fn unbound() -> Self {
        Self {
            label: AtomicU64::new(0),
            thread: RefSlot::empty(),
            waiters: Lock::new(List::new()),
        }
    }

    /// A gate that is bound to `thread`.
    pub fn bound(label: u64, thread: Ref<Thread>) -> Self {
        let gate = Self::unbound();
        gate.label.store(label, Relaxed);
        gate.thread.replace(Some(thread));
        gate
    }

    /// The label that its messages carry; bits 1..0 are clear.
    #[inline]
    pub fn label(&self) -> u64 {
        self.label.load(Relaxed)
    }

    /// The thread that its messages go to.
    #[inline]
    pub fn thread<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        self.thread.get(cpu)
    }

    /// Lets `thread`, which runs now, wait until the gate, whose header is
    /// `header`, is bound; at most for its send timeout. Nobody can bind one
    /// that is being destroyed.
    pub fn wait(
        &self,
        cpu: &Cpu,
        thread: &Thread,
        header: &Header,
        operation: Operation,
    ) -> Result<(), IpcError> {
        if header.common().is_doomed() {
            return Err(IpcError::NOT_EXISTENT);
        }
        let state = thread.state(cpu);
        let timeout = state.request.get().timeouts.send();
        if timeout.expiry() == Expiry::Zero
            || ipc::wait(cpu, thread, Waiting::Gate, timeout).is_err()
        {
            return Err(IpcError::SEND_TIMEOUT);
        }
        state.gate_operation.set(operation);
        state.gate.replace(Ref::from_header(header));
        self.waiters.lock().push_back(thread);
        Ok(())
    }

    /// `thread` does not wait here any more.
    pub fn forget(&self, thread: &Thread) {
        self.waiters.lock().remove(thread);
    }

    /// Performs a control operation.
    pub fn invoke(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_label(label::KERNEL_OBJECT)?;
        call.require_words(1, ResultCode::EINVAL)?;
        match Opcode::from_word(call.word(0)) {
            Some(Opcode::DecreaseReferences) => {
                call.require_words(2, ResultCode::EINVAL)?;
                // A higher number would keep the gate for ever.
                let difference = i64::try_from(call.word(1)).map_err(|_| ResultCode::EINVAL)?;
                let count = call.header()?.common().lower_counted(difference);
                call.reply(0, count as u64);
                Ok(Outcome::words(1))
            }
            Some(Opcode::BindThread) => self.bind(call),
            Some(Opcode::GetInfo) => {
                call.reply(0, self.label());
                Ok(Outcome::words(1))
            }
            None => Err(ResultCode::ENOSYS.into()),
        }
    }

    fn bind(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_rights(CapabilityRights::SPECIAL)?;
        call.require_words(2, ResultCode::EMSGTOOSHORT)?;
        let label = call.word(1);
        if label & LABEL_RIGHTS_MASK != 0 {
            return Err(ResultCode::EINVAL.into());
        }
        let thread = thread_argument(call, call.tag.words())?;
        self.label.store(label, Relaxed);
        self.thread.replace(Some(thread));
        self.wake_all(call.cpu, Deferred::Gate);
        Ok(Outcome::OK)
    }

    /// Lets the waiting threads go on, with `next` to do.
    fn wake_all(&self, cpu: &Cpu, next: Deferred) {
        loop {
            let Some(thread) = self.waiters.lock().pop_front(cpu) else {
                return;
            };
            let state = thread.state(cpu);
            cpu.timeouts.remove(cpu, thread);
            state.waiting.set(Waiting::Nothing);
            state.deferred.set(next);
            scheduling::make_ready(cpu, thread);
        }
    }

    /// Its last capability is gone: nobody can bind it any more.
    pub fn destroy(&self, cpu: &Cpu) {
        loop {
            let Some(thread) = self.waiters.lock().front(cpu) else {
                break;
            };
            ipc::abort(cpu, thread, IpcError::NOT_EXISTENT);
        }
        if let Some(thread) = self.thread.replace(None)
            && let Some(irq) = thread.state(cpu).deletion_irq.get(cpu)
        {
            irq.hit(cpu);
        }
    }
}

/// The thread that the item at message word `at` names; its capability needs
/// the S right.
pub(super) fn thread_argument(call: &Invocation<'_>, at: usize) -> Result<Ref<Thread>, Fail> {
    let (_, entry) = call.argument_at::<Thread>(at)?;
    if !entry.rights.contains(CapabilityRights::SPECIAL) {
        return Err(ResultCode::EPERM.into());
    }
    reference(entry.object)
}

/// A counted reference to the object behind `header`; -EINVAL for another
/// kind.
pub(super) fn reference<T: Send + Sync + 'static>(header: &Header) -> Result<Ref<T>, Fail> {
    Ref::from_header(header).ok_or(ResultCode::EINVAL.into())
}

#[cfg(test)]
pub(crate) mod tests;
