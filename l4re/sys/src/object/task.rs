//! Task: address spaces for memory, capabilities and (x86) I/O ports.

use l4_abi::capability::{Selector, slot};
use l4_abi::flexpage::{Flexpage, PAGE_ORDER};
use l4_abi::item::{ItemControl, ItemFlags, MapItem};
use l4_abi::protocol::label;
use l4_abi::protocol::task::{Opcode, UnmapMask};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::timeout::TimeoutPair;

use crate::ipc::{self, compose, invoke};
use crate::{Cap, Object, Result, Utcb};

crate::object! {
    /// A task, or a virtual machine's or device's address space.
    pub struct Task;
}

impl Task {
    /// The own task, in the slot where every program finds it.
    pub const SELF: Self = Self(Selector::new(slot::TASK));

    /// Maps `flexpage` of the task `source` into this task.
    ///
    /// `control` says where: for memory the address, for capabilities the index shifted by 12.
    /// What is not present at the source is skipped. Needs the W right.
    pub fn map(&self, source: Cap<Task>, control: ItemControl, flexpage: Flexpage) -> Result<()> {
        let words = [Opcode::Map.word(), control.raw(), flexpage.raw()];
        let source = source.pass(CapabilityRights::RWS).item();
        invoke(self.selector(), label::TASK, &words, &[source]).map(|_| ())
    }

    /// Maps the own capability `capability` into slot `index` of this task, with `rights`.
    ///
    /// Bits 7..5 of `rights` pass the object rights, among them the server right of gates.
    pub fn map_capability<T: Object>(
        &self,
        capability: Cap<T>,
        index: u64,
        rights: CapabilityRights,
    ) -> Result<()> {
        let MapItem {
            control, flexpage, ..
        } = capability.pass(rights).item();
        let flags = ItemFlags::from_bits_retain(control.raw() & 0xf0);
        self.map(
            Cap::new(Self::SELF.selector()),
            ItemControl::map(index << Selector::SHIFT, flags),
            flexpage,
        )
    }

    /// Revokes the rights named in `flexpage`; the flexpage with access flags in its low bits.
    ///
    /// Message and buffer registers stay as they were, so that cleaning up can happen anywhere.
    pub fn unmap(&self, flexpage: Flexpage, mask: UnmapMask) -> Result<Flexpage> {
        let utcb = Utcb::current();
        let saved = [utcb.message(0), utcb.message(1), utcb.message(2)];
        let words = [Opcode::Unmap.word(), mask.raw(), flexpage.raw()];
        let tag = compose(label::TASK, &words, &[]);
        let result = ipc::call(self.selector(), tag, TimeoutPair::NEVER);
        let answer = Flexpage::from_raw(utcb.message(2));
        utcb.set_messages(&saved);
        ipc::check(result?).map(|_| answer)
    }

    /// Removes the capability `selector` from this task.
    pub fn release(&self, selector: Selector) -> Result<()> {
        let flexpage = Flexpage::object(selector.index(), CapabilityRights::RWSD);
        self.unmap(flexpage, UnmapMask::ALL_SPACES).map(|_| ())
    }

    /// Removes the capability `selector` and, if it has the D right, destroys the object.
    pub fn delete_object(&self, selector: Selector) -> Result<()> {
        let flexpage = Flexpage::object(selector.index(), CapabilityRights::RWSD);
        self.unmap(flexpage, UnmapMask::DELETE_OBJECT).map(|_| ())
    }

    /// Whether there is anything in the slot of `capability` in this task.
    #[inline(always)]
    pub fn is_valid<T: Object>(&self, capability: Cap<T>) -> Result<bool> {
        let words = [Opcode::CapabilityInfo.word(), capability.selector().raw()];
        Ok(invoke(self.selector(), label::TASK, &words, &[])?.label() > 0)
    }

    /// Whether two capabilities of this task name the same object with the same rights.
    pub fn is_equal<T: Object, U: Object>(&self, one: Cap<T>, other: Cap<U>) -> Result<bool> {
        let words = [
            Opcode::CapabilityInfo.word(),
            one.selector().raw(),
            other.selector().raw(),
        ];
        Ok(invoke(self.selector(), label::TASK, &words, &[])?.label() > 0)
    }

    /// Adds kernel-user memory for UTCBs and vCPU states; the area that the kernel used.
    pub fn add_kernel_user_memory(&self, area: Flexpage) -> Result<Flexpage> {
        let words = [Opcode::AddKernelUserMemory.word(), area.raw()];
        invoke(self.selector(), label::TASK, &words, &[])?;
        Ok(Flexpage::from_raw(Utcb::current().message(0)))
    }
    /// Maps the CPU interface that guests have on a GIC of version 2 to `address`.
    ///
    /// # Errors
    /// ENOSYS on other machines, EEXIST if something is mapped there.
    pub fn map_virtual_gic(&self, address: u64) -> Result<()> {
        let flexpage = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RW);
        let words = [Opcode::MapVirtualGic.word(), flexpage.raw()];
        invoke(self.selector(), label::TASK, &words, &[]).map(|_| ())
    }
}
