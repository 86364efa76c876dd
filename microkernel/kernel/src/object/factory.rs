//! Factory: makes objects and pays for their memory out of its quota
//! (abi/05).

use l4_abi::error::{IpcError, ResultCode};
use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::{BufferCursors, ReceiveTarget, ReceivedItem};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::Operation;
use l4_abi::protocol::factory::{FIRST_ARGUMENT_WORD, ObjectType};
use l4_abi::protocol::ipc_gate::LABEL_RIGHTS_MASK;
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::utcb::{BUFFER_DESCRIPTOR_OFFSET, BUFFERS_OFFSET, BufferDescriptor};

use super::ipc_gate::{IpcGate, thread_argument};
use super::irq::Irq;
use super::semaphore::Semaphore;
use super::task::Task;
use super::thread::{Deferred, LongOperation, Thread};
use super::{
    Fail, Invocation, Kind, ObjectRef, OperationResult, Outcome, Ref, create, create_in_place,
};
use crate::capability;
use crate::cpu::Cpu;
use crate::mapping::{Cursor, kernel_user_memory};
use crate::memory::quota::QuotaRef;

/// A factory.
pub struct Factory {
    quota: QuotaRef,
}

impl Factory {
    /// A factory that `quota` limits.
    pub fn new(quota: QuotaRef) -> Self {
        Self { quota }
    }

    /// What pays for the objects that it makes.
    pub fn quota(&self) -> QuotaRef {
        self.quota
    }

    /// Its memory is about to be freed, and nobody is making an object: its
    /// quota takes no new charges.
    pub fn end(&self, cpu: &Cpu) {
        cpu.kernel.heap.close_quota(self.quota);
    }

    /// Makes an object.
    #[inline(never)]
    pub fn invoke(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_label(label::FACTORY)?;
        call.require_rights(CapabilityRights::SPECIAL)?;
        call.require_words(1, ResultCode::EMSGTOOSHORT)?;
        if !call.operation.contains(Operation::RECEIVE) {
            return Ok(Outcome::NO_REPLY);
        }
        let slot = target_slot(call)?;
        let kind = ObjectType::from_word(call.word(0)).ok_or(ResultCode::ENODEV)?;
        let mut words = 0;
        let object = match kind {
            ObjectType::IpcGate => self.gate(call)?,
            ObjectType::Task => {
                let area = Flexpage::from_raw(argument(call, ResultCode::EINVAL)?);
                let Some(task) = self.task(call, area)? else {
                    return Ok(Outcome::DONE);
                };
                if !area.is_nil() {
                    call.reply(0, kernel_user_memory::area(area).raw());
                    words = 1;
                }
                task.into_any()
            }
            ObjectType::Thread => self.thread(call)?,
            ObjectType::Factory => self.factory(call)?,
            ObjectType::IrqSender => {
                let irq = Irq::new(call.cpu.kernel.new_id());
                create(call.cpu, self.quota, Kind::Irq, irq)?.into_any()
            }
            ObjectType::Semaphore => {
                create(call.cpu, self.quota, Kind::Semaphore, Semaphore::new())?.into_any()
            }
            ObjectType::DmaSpace => return Err(ResultCode::ENOMEM.into()),
            ObjectType::Vm => Task::create_vm(call.cpu, self.quota)?.into_any(),
            ObjectType::VcpuContext => return Err(ResultCode::ENODEV.into()),
        };
        self.hand_out(call, slot, &object)?;
        call.reply(words, ReceivedItem::NEW_OBJECT_WORD);
        Ok(Outcome(MessageTag::new(0, words, 1, TagFlags::empty())))
    }

    #[inline(never)]
    fn thread(&self, call: &Invocation<'_>) -> Result<ObjectRef, Fail> {
        Ok(Thread::create(call.cpu, self.quota, call.cpu.id())?.into_any())
    }

    /// A task with kernel-user memory, if `area` is not nil. `None`: the operation pauses.
    #[inline(never)]
    fn task(&self, call: &Invocation<'_>, area: Flexpage) -> Result<Option<Ref<Task>>, Fail> {
        let task = match call.caller.take_task(call.cpu) {
            Some(task) => task,
            None => Task::create(call.cpu, self.quota)?,
        };
        if area.is_nil() {
            return Ok(Some(task));
        }
        let step = |_: &Cursor| task.memory.add_kernel_user_memory(call.cpu, area);
        match call.caller.run_steps(call.cpu, step) {
            Some(Ok(())) => Ok(Some(task)),
            Some(Err(error)) => {
                super::doom(call.cpu, task.header());
                Err(error.into())
            }
            None => {
                let operation = LongOperation::Task(task);
                call.caller.pause(call.cpu, operation, Deferred::Syscall);
                Ok(None)
            }
        }
    }

    #[inline(always)]
    fn gate(&self, call: &Invocation<'_>) -> Result<ObjectRef, Fail> {
        let (thread, label) = if call.tag.items() == 0 {
            (None, 0)
        } else {
            let thread = thread_argument(call, call.tag.words()).map_err(no_thread)?;
            let label = argument(call, ResultCode::EMSGTOOSHORT)?;
            if label & LABEL_RIGHTS_MASK != 0 {
                return Err(ResultCode::EINVAL.into());
            }
            (Some(thread), label)
        };
        let gate = || IpcGate::new(thread, label);
        Ok(create_in_place(call.cpu, self.quota, Kind::IpcGate, gate)?.into_any())
    }

    fn factory(&self, call: &Invocation<'_>) -> Result<ObjectRef, Fail> {
        let limit = argument(call, ResultCode::EMSGTOOSHORT)?;
        if call.tag.words() > FIRST_ARGUMENT_WORD + 1 || call.tag.items() > 0 {
            return Err(ResultCode::EMSGTOOLONG.into());
        }
        let heap = &call.cpu.kernel.heap;
        let quota = heap.new_quota(self.quota, limit)?;
        match create(call.cpu, self.quota, Kind::Factory, Factory::new(quota)) {
            Ok(factory) => Ok(factory.into_any()),
            Err(error) => {
                heap.close_quota(quota);
                Err(error.into())
            }
        }
    }

    /// Gives the caller the capability; the object goes again if that fails.
    #[inline(always)]
    pub(super) fn hand_out(
        &self,
        call: &Invocation<'_>,
        slot: u64,
        object: &ObjectRef,
    ) -> Result<(), Fail> {
        match call.task.make_slot(call.cpu, slot) {
            Ok(slot) => {
                capability::put(call.cpu, call.task, slot, object, CapabilityRights::FULL);
                Ok(())
            }
            Err(error) => {
                super::doom(call.cpu, object);
                Err(error.into())
            }
        }
    }
}

/// The value of the first argument behind the type, which the kernel reads at
/// its fixed place.
fn argument(call: &Invocation<'_>, otherwise: ResultCode) -> Result<u64, Fail> {
    call.require_words(FIRST_ARGUMENT_WORD + 1, otherwise)?;
    Ok(call.word(FIRST_ARGUMENT_WORD))
}

/// An item that is no capability only names no thread here.
fn no_thread(fail: Fail) -> Fail {
    match fail == IpcError::SEND_OVERFLOW.into() {
        true => ResultCode::EINVAL.into(),
        false => fail,
    }
}

/// Where the caller wants the capability: its first object receive buffer.
pub(super) fn target_slot(call: &Invocation<'_>) -> Result<u64, Fail> {
    let descriptor = BufferDescriptor::from_raw(call.utcb.word(BUFFER_DESCRIPTOR_OFFSET / 8));
    let buffer = BufferCursors::new(descriptor)
        .take(Space::Object, false, |register| {
            call.utcb.word(BUFFERS_OFFSET / 8 + register)
        })
        .map_err(|_| IpcError::RECEIVE_OVERFLOW)?;
    match buffer.target {
        ReceiveTarget::Slot(slot) => Ok(slot),
        ReceiveTarget::Window(window) if window.space() == Some(Space::Object) => {
            Ok(window.index())
        }
        ReceiveTarget::Window(_) => Err(IpcError::RECEIVE_OVERFLOW.into()),
    }
}

#[cfg(test)]
mod tests;
