//! IPC gate: messages to it go to the thread that it is bound to, with the
//! gate's label (abi/03 §2, §9; abi/05).

use l4_abi::error::{IpcError, ResultCode};
use l4_abi::operation::Operation;
use l4_abi::protocol::ipc_gate::{LABEL_RIGHTS_MASK, Opcode};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::Expiry;
use machine::lock::Lock;
use machine::object::LabelledSlot;

use super::thread::{Deferred, Thread, WaitQueue, Waiting, end_waits};
use super::{Common, Fail, Header, Invocation, OperationResult, Outcome, Ref, ensure};
use crate::cpu::Cpu;
use crate::ipc;
use crate::remote::{self, Errand};

/// A gate.
pub struct IpcGate {
    /// The thread that its messages go to, and the label that they carry,
    /// whose bits 1..0 are clear. Changed under the lock of `waiters`.
    target: LabelledSlot<Common, Thread>,
    /// Threads that wait until it is bound.
    waiters: Lock<WaitQueue>,
}

impl IpcGate {
    /// A gate that is bound to `thread`, or to none.
    pub fn new(thread: Option<Ref<Thread>>, label: u64) -> Self {
        Self {
            target: LabelledSlot::new(thread, label),
            waiters: const { Lock::new(WaitQueue::new()) },
        }
    }

    /// The thread that its messages go to, and their label.
    pub fn target<'cpu>(&self, cpu: &'cpu Cpu) -> Option<(&'cpu Thread, u64)> {
        self.target.get(cpu)
    }

    /// Lets `thread` wait until the gate, whose header is `header`, is bound;
    /// at most for its send timeout. False if it has just been bound. Nobody
    /// can bind one that is being destroyed.
    pub fn wait(
        &self,
        cpu: &Cpu,
        thread: &Thread,
        header: &Header,
        operation: Operation,
    ) -> Result<bool, IpcError> {
        let waiters = self.waiters.lock();
        if header.common().is_doomed() {
            return Err(IpcError::NOT_EXISTENT);
        }
        if !self.target.is_empty() {
            return Ok(false);
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
        // First come, first served.
        waiters.insert(cpu, thread, 0);
        Ok(true)
    }

    /// `thread` does not wait here any more. False if it did not.
    pub fn forget(&self, cpu: &Cpu, thread: &Thread) -> bool {
        self.waiters.lock().remove(cpu, thread)
    }

    /// Performs a control operation.
    #[inline(never)]
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
                call.reply(0, self.target.label());
                Ok(Outcome::words(1))
            }
            None => Err(ResultCode::ENOSYS.into()),
        }
    }

    fn bind(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_rights(CapabilityRights::SPECIAL)?;
        call.require_words(2, ResultCode::EMSGTOOSHORT)?;
        let label = call.word(1);
        ensure(label & LABEL_RIGHTS_MASK == 0, ResultCode::EINVAL)?;
        let thread = thread_argument(call, call.tag.words())?;
        if call.cpu.waking.get(call.cpu).is_some() {
            // The caller has come while another gate's senders are woken here:
            // it comes again.
            remote::visit(call.cpu, call.caller, call.cpu.id(), Deferred::Syscall);
            return Ok(Outcome::DONE);
        }
        let waiters = self.waiters.lock();
        // Of one that has ended nobody would tell the thread.
        let is_doomed = call.header()?.common().is_doomed();
        ensure(!is_doomed, IpcError::NOT_EXISTENT)?;
        let old = self.target.replace(Some(thread), label);
        drop(waiters);
        drop(old);
        if !self.wake(call.cpu) {
            let gate = reference(call.header()?)?;
            call.cpu.waking.replace(Some(gate));
            call.cpu.reschedule.set(true);
        }
        Ok(Outcome::OK)
    }

    /// It is bound: lets the waiting threads go on. False if that has to pause:
    /// to be called again.
    pub fn wake(&self, cpu: &Cpu) -> bool {
        end_waits(cpu, || self.waiters.lock().pop_front(cpu), Errand::Granted)
    }

    /// Its last capability is gone: nobody can bind it any more. False if that
    /// has to pause: to be called again.
    pub fn destroy(&self, cpu: &Cpu) -> bool {
        let mut target = None;
        let next = || {
            let waiters = self.waiters.lock();
            let next = waiters.pop_front(cpu);
            if next.is_none() {
                target = self.target.take();
            }
            next
        };
        if !end_waits(cpu, next, Errand::Gone) {
            return false;
        }
        if let Some(irq) = target.and_then(|thread| thread.get(cpu).deletion_irq.get(cpu)) {
            irq.hit(cpu);
        }
        true
    }
}

/// The thread that the item at message word `at` names; its capability needs
/// the S right.
#[inline(always)]
pub(super) fn thread_argument(call: &Invocation<'_>, at: usize) -> Result<Ref<Thread>, Fail> {
    let (_, entry) = call.argument_at::<Thread>(at)?;
    ensure(
        entry.rights.contains(CapabilityRights::SPECIAL),
        ResultCode::EPERM,
    )?;
    reference(entry.object)
}

/// A counted reference to the object behind `header`; -EINVAL for another
/// kind.
pub(super) fn reference<T: Send + Sync + 'static>(header: &Header) -> Result<Ref<T>, Fail> {
    Ref::from_header(header).ok_or(ResultCode::EINVAL.into())
}

#[cfg(test)]
pub(crate) mod tests;
