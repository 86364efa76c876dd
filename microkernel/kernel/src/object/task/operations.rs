//! The operations on a task (abi/05 Task).

use l4_abi::capability::Selector;
use l4_abi::error::{IpcError, ResultCode};
use l4_abi::flexpage::Flexpage;
use l4_abi::item::SendItem;
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::label;
use l4_abi::protocol::task::{Opcode, UnmapMask};
use l4_abi::rights::CapabilityRights;
use l4_abi::utcb::MESSAGE_REGISTERS;

use super::memory::CpuFlush;
use super::{Mapping, Revocation, Task};
use crate::capability::Entry;
use crate::cpu::Cpu;
use crate::mapping::{Cursor, kernel_user_memory};
use crate::object::ipc_gate::reference;
use crate::object::thread::{Deferred, LongOperation};
use crate::object::{Header, Invocation, Kind, OperationResult, Outcome, Ref, ensure};
use crate::trace;

/// Message word of the first flexpage of an unmap.
const UNMAP_FLEXPAGES: usize = 2;

impl Task {
    /// Performs an operation.
    #[inline(never)]
    pub fn invoke(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_label(label::TASK)?;
        match Opcode::from_word(call.word(0)) {
            Some(Opcode::Map) => self.map(call),
            Some(Opcode::Unmap) => self.unmap(call),
            Some(Opcode::CapabilityInfo) => self.capability_info(call),
            Some(Opcode::AddKernelUserMemory) => self.add_kernel_user_memory(call),
            Some(Opcode::MapVirtualGic) => self.map_guest_interface(call),
            Some(Opcode::LdtSet) => self.set_descriptors(call),
            None => Err(ResultCode::ENOSYS.into()),
        }
    }

    fn map(&self, call: &Invocation<'_>) -> OperationResult {
        if let Some((mapping, [source, destination])) = call.caller.take_map(call.cpu, false) {
            return self.run_map(call, mapping, [source.header(), destination.header()]);
        }
        call.require_rights(CapabilityRights::WRITE)?;
        let (source, entry) = call.argument::<Task>()?;
        let are_open = !self.memory.is_closed() && !source.memory.is_closed();
        ensure(are_open, ResultCode::EINVAL)?;
        let Ok(SendItem::Map(item)) = SendItem::decode(call.word(1) | 8, call.word(2)) else {
            return Ok(Outcome::OK);
        };
        let window = Flexpage::ALL_SPACES;
        let both = call.rights.intersection(entry.rights);
        let pass_special = both.contains(CapabilityRights::SPECIAL);
        let mapping = Mapping::new(call.cpu, [source, self], item, window, pass_special)
            .map_err(|_| IpcError::SEND_MAP_FAILED)?;
        self.run_map(call, mapping, [entry.object, call.header()?])
    }

    /// Goes on with a map operation between two tasks.
    fn run_map(
        &self,
        call: &Invocation<'_>,
        mapping: Mapping,
        headers: [&Header; 2],
    ) -> OperationResult {
        let (cpu, again) = (call.cpu, Deferred::Syscall);
        match (call.caller).run_mapping(cpu, mapping, headers, None, again)? {
            Some(_) => Ok(Outcome::OK),
            None => Ok(Outcome::DONE),
        }
    }

    fn unmap(&self, call: &Invocation<'_>) -> OperationResult {
        let mask = UnmapMask::from_raw(call.word(1));
        let words = call.tag.words();
        let (mut paused, first, kept) = match call.caller.take_unmap(call.cpu) {
            Some((revocation, index, task)) => (Some(revocation), index, Some(task)),
            None => (None, UNMAP_FLEXPAGES, None),
        };
        // The slot may have come to name another meanwhile.
        let task = kept.as_deref().unwrap_or(self);
        ensure(
            kept.is_some() || !task.memory.is_closed(),
            IpcError::NOT_EXISTENT,
        )?;
        for index in first..words.min(MESSAGE_REGISTERS) {
            let flexpage = call.flexpage(index);
            trace::unmap(call.cpu, flexpage);
            let mut revocation = (paused.take()).unwrap_or_else(|| Revocation::new(flexpage, mask));
            let step = |cursor: &Cursor| revocation.step(call.cpu, task, cursor);
            let Some(access) = call.caller.run_steps(call.cpu, step) else {
                return self.pause_unmap(call, revocation, index, kept);
            };
            // Written even if the caller does not receive (abi/05).
            call.utcb
                .set_word(index, flexpage.with_rights(access).raw());
        }
        Ok(Outcome::words(words))
    }

    #[cold]
    fn pause_unmap(
        &self,
        call: &Invocation<'_>,
        revocation: Revocation,
        index: usize,
        task: Option<Ref<Task>>,
    ) -> OperationResult {
        let task = task.map_or_else(|| reference(call.header()?), Ok)?;
        let operation = LongOperation::Unmap(revocation, index, task);
        call.caller.pause(call.cpu, operation, Deferred::Syscall);
        Ok(Outcome::DONE)
    }

    /// What `selector` names in this task.
    fn look_up<'cpu>(&self, cpu: &'cpu Cpu, selector: Selector) -> Option<Entry<'cpu>> {
        if selector.is_valid() {
            self.capabilities.lookup(cpu, selector.index())
        } else {
            None
        }
    }

    fn capability_info(&self, call: &Invocation<'_>) -> OperationResult {
        let selector = |index: usize| Selector::from_raw(call.word(index));
        let lookup = |selector: Selector| self.look_up(call.cpu, selector);
        let answer = match call.tag.words() {
            2 => lookup(selector(1)).is_some(),
            3 => {
                let (one, other) = (selector(1), selector(2));
                if one.is_valid() && other.is_valid() {
                    match (lookup(one), lookup(other)) {
                        (None, None) => true,
                        (Some(one), Some(other)) => {
                            // A gate without the server right looks like another object.
                            let compared = match one.object.common().kind {
                                Kind::IpcGate => CapabilityRights::INVOCATION
                                    .union(CapabilityRights::IPC_GATE_SERVER),
                                _ => CapabilityRights::INVOCATION,
                            };
                            one.object.is(other.object)
                                && one.rights.intersection(compared)
                                    == other.rights.intersection(compared)
                        }
                        _ => false,
                    }
                } else {
                    const SPECIAL: u64 = Selector::INVALID_BIT | Selector::REPLY_BIT;
                    one.raw() & SPECIAL == other.raw() & SPECIAL
                }
            }
            _ => return Err(ResultCode::EINVAL.into()),
        };
        Ok(Outcome::label(i64::from(answer)))
    }

    /// Maps what guests have for the CPU interface of their interrupt
    /// controller.
    fn map_guest_interface(&self, call: &Invocation<'_>) -> OperationResult {
        let chip = &call.cpu.kernel.platform.chip;
        let physical = chip.guest_interface().ok_or(ResultCode::ENOSYS)?;
        call.require_words(2, ResultCode::EINVAL)?;
        self.memory
            .add_device(call.cpu, call.flexpage(1), physical)?;
        Ok(Outcome::OK)
    }

    /// Sets descriptors of segments for its threads, of which all CPUs know
    /// when it is done.
    fn set_descriptors(&self, call: &Invocation<'_>) -> OperationResult {
        let (cpu, space) = (call.cpu, self.memory.space());
        let words: [u64; MESSAGE_REGISTERS] = core::array::from_fn(|index| call.word(index));
        let (words, heap) = (&words[..call.tag.words()], &cpu.kernel.heap);
        let allocate = |size| Ok(heap.allocate_charged(self.quota, size)?);
        if let Some(spare) = space.residence().set_descriptors(words, allocate)? {
            heap.free_charged(self.quota, spare);
        }
        cpu.kernel.mappings.forget(&space, &mut CpuFlush(cpu));
        Ok(Outcome::OK)
    }

    fn add_kernel_user_memory(&self, call: &Invocation<'_>) -> OperationResult {
        let count = call.tag.words().saturating_sub(1);
        for index in call.caller.take_parts(call.cpu)..count {
            let area = call.flexpage(index + 1);
            let step = |_: &Cursor| self.memory.add_kernel_user_memory(call.cpu, area);
            let Some(added) = call.caller.run_steps(call.cpu, step) else {
                let operation = LongOperation::Parts(index);
                call.caller.pause(call.cpu, operation, Deferred::Syscall);
                return Ok(Outcome::DONE);
            };
            added?;
        }
        // The answer overwrites them, each after it is read.
        for index in 0..count {
            let area = kernel_user_memory::area(call.flexpage(index + 1));
            call.reply(index, area.raw());
        }
        Ok(Outcome(MessageTag::words_only(0, count)))
    }
}
