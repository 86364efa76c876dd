//! Factory: makes the kernel's objects out of its memory quota.

use l4_abi::flexpage::Flexpage;
use l4_abi::item::MapItem;
use l4_abi::protocol::factory::{ObjectType, VargTag, VargType};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;

use super::{IpcGate, Irq, Semaphore, Task, Thread};
use crate::ipc::invoke_receiving;
use crate::{Cap, Object, OwnedCap, Result, Slot};

crate::object! {
    /// A factory of the kernel. All its operations need the S right.
    ///
    /// Error of all: ENOMEM if the quota is used up.
    pub struct Factory;
}

impl Factory {
    /// Makes a task with kernel-user memory for UTCBs at `utcb_area` ([`Flexpage::NIL`]: none).
    pub fn create_task(&self, utcb_area: Flexpage) -> Result<OwnedCap<Task>> {
        self.create(
            ObjectType::Task,
            Some((VargType::Flexpage, utcb_area.raw())),
            &[],
        )
    }

    /// Makes a thread, bound to no task yet.
    #[inline(always)]
    pub fn create_thread(&self) -> Result<OwnedCap<Thread>> {
        self.create(ObjectType::Thread, None, &[])
    }

    /// Makes an IPC gate bound to `thread`. Bits 1..0 of `label` must be 0.
    #[inline(always)]
    pub fn create_gate(&self, thread: Cap<Thread>, label: u64) -> Result<OwnedCap<IpcGate>> {
        let thread = thread.pass(CapabilityRights::RWS).item();
        self.create(
            ObjectType::IpcGate,
            Some((VargType::Unsigned, label)),
            &[thread],
        )
    }

    /// Makes an IPC gate that is bound to no thread; senders wait until it is.
    pub fn create_unbound_gate(&self) -> Result<OwnedCap<IpcGate>> {
        self.create(ObjectType::IpcGate, None, &[])
    }

    /// Makes a factory with a part of this one's quota, in bytes.
    pub fn create_factory(&self, quota: u64) -> Result<OwnedCap<Factory>> {
        self.create(ObjectType::Factory, Some((VargType::Unsigned, quota)), &[])
    }

    /// Makes an interrupt.
    pub fn create_irq(&self) -> Result<OwnedCap<Irq>> {
        self.create(ObjectType::IrqSender, None, &[])
    }

    /// Makes a semaphore with counter 0.
    pub fn create_semaphore(&self) -> Result<OwnedCap<Semaphore>> {
        self.create(ObjectType::Semaphore, None, &[])
    }

    /// Makes the address space of a virtual machine. Error: ENODEV without hardware support.
    pub fn create_vm(&self) -> Result<OwnedCap<Task>> {
        self.create(ObjectType::Vm, None, &[])
    }

    #[inline(always)]
    fn create<T: Object>(
        &self,
        kind: ObjectType,
        argument: Option<(VargType, u64)>,
        items: &[MapItem],
    ) -> Result<OwnedCap<T>> {
        let slot = Slot::allocate()?;
        let (varg, value) = argument.unwrap_or((VargType::Nil, 0));
        let words = [kind.word(), VargTag::word_sized(varg).raw(), value];
        let words = if argument.is_some() {
            &words[..]
        } else {
            &words[..1]
        };
        invoke_receiving(slot.buffer(), self.selector(), label::FACTORY, words, items)?;
        Ok(slot.filled())
    }
}
