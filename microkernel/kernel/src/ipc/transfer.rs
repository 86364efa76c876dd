//! The transfer of one message: words, typed items, FPU state (abi/03 §4).

use l4_abi::capability::Target;
use l4_abi::error::IpcError;
use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::{
    BufferCursors, Delivery, ITEM_WORDS, MapItem, ReceiveBuffer, ReceivedItem, SendItem,
};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::Operation;
use l4_abi::rights::CapabilityRights;
use l4_abi::utcb::{BUFFER_DESCRIPTOR_OFFSET, BUFFERS_OFFSET, BufferDescriptor, MESSAGE_REGISTERS};
use machine::context::EXCEPTION_WORDS;
use machine::utcb::Utcb;

use super::Request;
use crate::capability;
use crate::cpu::Cpu;
use crate::object::ipc_gate::IpcGate;
use crate::object::task::{self, Task};
use crate::object::thread::{Purpose, Thread};
use crate::scheduling;
use crate::trace;

/// Copies the message of `request` from `sender` to `receiver`. On an error
/// the items before the one at fault stay mapped.
pub(super) fn transfer(
    cpu: &Cpu,
    sender: &Thread,
    receiver: &Thread,
    request: &Request,
) -> Result<(), IpcError> {
    let tag = request.tag;
    trace::message(cpu, sender, receiver, tag);
    let from = sender.utcb(cpu);
    let to = receiver.utcb(cpu);
    let purpose = receiver.state(cpu).purpose.get();
    let is_in_fault = matches!(purpose, Purpose::PageFault(_) | Purpose::Exception);
    match purpose {
        Purpose::Syscall | Purpose::Upcall => words(cpu, sender, to, tag),
        // Only the items of a pager's reply count.
        Purpose::PageFault(_) => {}
        // A short reply leaves the registers as they are, and its items are
        // not looked at (abi/02).
        Purpose::Exception if tag.words() < EXCEPTION_WORDS => return Ok(()),
        Purpose::Exception => receiver.state(cpu).context.load_exception(from),
    }
    if tag.items() > 0 {
        let items = Items {
            cpu,
            from,
            to,
            source: sender.task(cpu).ok_or(IpcError::NOT_EXISTENT)?,
            destination: receiver.task(cpu).ok_or(IpcError::NOT_EXISTENT)?,
            is_in_fault,
            rights: request.rights,
        };
        items.all(tag.words(), tag.items())?;
    }
    if tag.flags().contains(TagFlags::TRANSFER_FPU)
        && (is_in_fault || descriptor(to).inherits_fpu())
        && request.rights.contains(CapabilityRights::SPECIAL)
    {
        scheduling::move_fpu(cpu, sender, receiver);
    }
    Ok(())
}

/// Writes the words of the sender's message; those about a fault come from
/// its registers.
fn words(cpu: &Cpu, sender: &Thread, to: &Utcb, tag: MessageTag) {
    let state = sender.state(cpu);
    match state.purpose.get() {
        Purpose::Syscall | Purpose::Upcall => to.copy_words(sender.utcb(cpu), tag.words()),
        Purpose::PageFault(fault) => {
            to.set_word(0, fault);
            to.set_word(1, state.context.frame.ip());
        }
        Purpose::Exception => state.context.save_exception(to),
    }
}

fn descriptor(utcb: &Utcb) -> BufferDescriptor {
    BufferDescriptor::from_raw(utcb.word(BUFFER_DESCRIPTOR_OFFSET / 8))
}

/// The typed items of one message.
struct Items<'cpu> {
    cpu: &'cpu Cpu,
    from: &'cpu Utcb,
    to: &'cpu Utcb,
    source: &'cpu Task,
    destination: &'cpu Task,
    /// The receiver did not ask for the message: nothing is said about the
    /// items in its registers, and its first buffer is all that it has.
    is_in_fault: bool,
    /// W and S of the capability through which the message goes.
    rights: CapabilityRights,
}

impl Items<'_> {
    fn all(&self, words: usize, items: usize) -> Result<(), IpcError> {
        let buffers = |register: usize| match register {
            0 if self.is_in_fault => ReceiveBuffer::WINDOW_WORD,
            1 if self.is_in_fault => Flexpage::ALL_SPACES.raw(),
            _ => self.to.word(BUFFERS_OFFSET / 8 + register),
        };
        let mut cursors = BufferCursors::new(if self.is_in_fault {
            BufferDescriptor::DEFAULT
        } else {
            descriptor(self.to)
        });
        for index in 0..items {
            let at = words + index * ITEM_WORDS;
            if at >= MESSAGE_REGISTERS {
                return Err(IpcError::SEND_OVERFLOW);
            }
            let control = self.from.word(at);
            if control != 0 && at + 1 >= MESSAGE_REGISTERS {
                return Err(IpcError::SEND_OVERFLOW);
            }
            let item = SendItem::decode(control, self.from.word(at + 1))
                .map_err(|_| IpcError::SEND_OVERFLOW)?;
            match item {
                SendItem::Void => self.tell(at, 0, None),
                SendItem::Map(item) => {
                    let compound = item.control.is_compound();
                    let buffer = cursors
                        .take(item.space, compound, buffers)
                        .map_err(|_| IpcError::SEND_OVERFLOW)?;
                    // Told before the mapping, which may fail half way.
                    let mapped = ReceivedItem::new(item, Delivery::Mapped);
                    self.tell(at, mapped.control_word(), None);
                    let delivery = self.one(item, buffer)?;
                    let received = ReceivedItem::new(item, delivery);
                    self.tell(at, received.control_word(), received.second_word());
                }
            }
        }
        Ok(())
    }

    /// Writes what became of the item at message register `at`.
    fn tell(&self, at: usize, control: u64, second: Option<u64>) {
        if self.is_in_fault {
            return;
        }
        self.to.set_word(at, control);
        if let Some(second) = second {
            self.to.set_word(at + 1, second);
        }
    }

    fn one(&self, item: MapItem, buffer: ReceiveBuffer) -> Result<Delivery, IpcError> {
        let pass_special = self.rights.contains(CapabilityRights::SPECIAL);
        let destination = match buffer.forward {
            None => self.destination,
            Some(selector) => self.forward(selector.target(Operation::empty()))?,
        };
        if buffer.local_id
            && item.space == Space::Object
            && let Some(delivery) = self.local_id(item, pass_special)
        {
            return Ok(delivery);
        }
        let Some(window) = buffer.window(item.space) else {
            return Ok(Delivery::Mapped);
        };
        let any = match item.space {
            Space::Object => capability::map(
                self.cpu,
                self.source,
                destination,
                item,
                window,
                pass_special,
            ),
            Space::Memory | Space::IoPort => {
                task::map(self.cpu, self.source, destination, item, window)
            }
        }
        .map_err(|_| IpcError::SEND_MAP_FAILED)?;
        Ok(if any {
            Delivery::Mapped
        } else {
            Delivery::NothingMapped
        })
    }

    /// The task that the receive buffer names; it needs the W right.
    fn forward(&self, target: Target) -> Result<&Task, IpcError> {
        let Target::Object(index) = target else {
            return Err(IpcError::SEND_OVERFLOW);
        };
        let entry = self.destination.capabilities.lookup(self.cpu, index);
        entry
            .filter(|entry| entry.rights.contains(CapabilityRights::WRITE))
            .and_then(|entry| entry.object.downcast())
            .ok_or(IpcError::SEND_OVERFLOW)
    }

    /// Whether the receiver knows the object without a mapping (abi/03 §4.4).
    fn local_id(&self, item: MapItem, pass_special: bool) -> Option<Delivery> {
        if core::ptr::eq(self.source, self.destination) {
            let mut rights = item.flexpage.object_rights();
            if !pass_special {
                rights.remove(CapabilityRights::SPECIAL);
            }
            return Some(Delivery::Flexpage(item.flexpage.with_rights(rights.bits())));
        }
        let entry = self
            .source
            .capabilities
            .lookup(self.cpu, item.flexpage.index())?;
        let gate = entry.object.downcast::<IpcGate>()?;
        let (thread, label) = gate.target(self.cpu)?;
        let task = thread.task(self.cpu)?;
        if !core::ptr::eq(task, self.destination) {
            return None;
        }
        let passed = item.passed_object_rights(entry.rights, pass_special)?;
        let passed = passed.intersection(CapabilityRights::INVOCATION);
        Some(Delivery::LocalId(label | u64::from(passed.bits())))
    }
}
