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
use crate::cpu::Cpu;
use crate::object::Header;
use crate::object::ipc_gate::IpcGate;
use crate::object::task::{Mapping, Task};
use crate::object::thread::{Deferred, Purpose, Thread};
use crate::{scheduling, trace};

/// Maps the typed items of a message, before anything else of it goes from
/// `sender` to `receiver`. `None`: that has paused, and `mover`, which is one of
/// them and does the operation, does `again` later. On an error the items before
/// the one at fault stay mapped.
pub(super) fn items(
    cpu: &Cpu,
    [sender, receiver]: [&Thread; 2],
    request: &Request,
    mover: &Thread,
    again: Deferred,
) -> Option<Result<(), IpcError>> {
    let tag = request.tag;
    let purpose = receiver.state(cpu).purpose.get();
    // The items of a short reply are not looked at (abi/02).
    let is_short = matches!(purpose, Purpose::Exception) && tag.words() < EXCEPTION_WORDS;
    if tag.items() == 0 || is_short {
        return Some(Ok(()));
    }
    let (Some(source), Some(destination)) = (sender.task(cpu), receiver.task(cpu)) else {
        return Some(Err(IpcError::NOT_EXISTENT));
    };
    let items = Items {
        cpu,
        from: sender.utcb(cpu),
        to: receiver.utcb(cpu),
        source,
        destination,
        is_in_fault: matches!(purpose, Purpose::PageFault(_) | Purpose::Exception),
        rights: request.rights,
        mover,
        partner: if core::ptr::eq(mover, sender) {
            receiver
        } else {
            sender
        },
        again,
        headers: [sender.task_header(cpu)?, receiver.task_header(cpu)?],
    };
    items.all(tag.words(), tag.items()).transpose()
}

/// Copies the message of `request`, whose items came to `items`, from `sender`
/// to `receiver`.
pub(super) fn transfer(
    cpu: &Cpu,
    sender: &Thread,
    receiver: &Thread,
    request: &Request,
    items: Result<(), IpcError>,
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
        // A short reply leaves the registers as they are.
        Purpose::Exception if tag.words() < EXCEPTION_WORDS => return Ok(()),
        Purpose::Exception => receiver.state(cpu).context.load_exception(from),
    }
    items?;
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
        Purpose::Exception => state.context.save_exception(cpu.block(), to),
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
    /// Who does the operation, the other one, and what the former does if it
    /// has paused; without that it does not pause.
    mover: &'cpu Thread,
    partner: &'cpu Thread,
    again: Deferred,
    /// The tasks of sender and receiver.
    headers: [&'cpu Header; 2],
}

impl Items<'_> {
    /// Maps all of them; `None`: that has paused.
    fn all(&self, words: usize, items: usize) -> Result<Option<()>, IpcError> {
        let mut paused = self.mover.paused_item(self.cpu, self.partner);
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
                    match paused.take() {
                        Some(item) if at < item.0 => {
                            paused = Some(item);
                            continue;
                        }
                        Some((old_at, old_window, task)) => {
                            let now = self.task_of(buffer)?.downcast::<Task>();
                            let is_same = old_at == at
                                && buffer.window(item.space) == Some(old_window)
                                && now.is_some_and(|now| core::ptr::eq(now, task));
                            if !is_same {
                                // The receiver waits for something else by now.
                                self.mover.give_up_operation(self.cpu);
                                return self.all(words, items);
                            }
                        }
                        None => {}
                    }
                    // Told before the mapping, which may fail half way.
                    let mapped = ReceivedItem::new(item, Delivery::Mapped);
                    self.tell(at, mapped.control_word(), None);
                    let Some(delivery) = self.one(at, item, buffer)? else {
                        return Ok(None);
                    };
                    let received = ReceivedItem::new(item, delivery);
                    self.tell(at, received.control_word(), received.second_word());
                }
            }
        }
        Ok(Some(()))
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

    fn one(
        &self,
        at: usize,
        item: MapItem,
        buffer: ReceiveBuffer,
    ) -> Result<Option<Delivery>, IpcError> {
        let (cpu, pass_special) = (self.cpu, self.rights.contains(CapabilityRights::SPECIAL));
        let window = buffer.window(item.space);
        if let Some((mapping, [source, destination])) = self.mover.take_map(cpu, true) {
            let headers = [source.header(), destination.header()];
            return self.map(at, mapping, headers, window.unwrap_or(Flexpage::NIL));
        }
        let destination = self.task_of(buffer)?;
        if buffer.local_id
            && item.space == Space::Object
            && let Some(delivery) = self.local_id(item, pass_special)
        {
            return Ok(Some(delivery));
        }
        let (Some(window), Some(task)) = (window, destination.downcast()) else {
            return Ok(Some(Delivery::Mapped));
        };
        let mapping = Mapping::new(cpu, [self.source, task], item, window, pass_special)
            .map_err(|_| IpcError::SEND_MAP_FAILED)?;
        self.map(at, mapping, [self.headers[0], destination], window)
    }

    /// Goes on with the mapping of the item at message register `at`.
    fn map(
        &self,
        at: usize,
        mapping: Mapping,
        headers: [&Header; 2],
        window: Flexpage,
    ) -> Result<Option<Delivery>, IpcError> {
        let item = Some((at, self.partner, window));
        let mapped = (self.mover).run_mapping(self.cpu, mapping, headers, item, self.again)?;
        Ok(mapped.map(|has_found| match has_found {
            true => Delivery::Mapped,
            false => Delivery::NothingMapped,
        }))
    }

    /// The receiver's task, or that which the receive buffer names; it needs the W right.
    fn task_of(&self, buffer: ReceiveBuffer) -> Result<&Header, IpcError> {
        let Some(selector) = buffer.forward else {
            return Ok(self.headers[1]);
        };
        let Target::Object(index) = selector.target(Operation::empty()) else {
            return Err(IpcError::SEND_OVERFLOW);
        };
        let entry = self.destination.capabilities.lookup(self.cpu, index);
        entry
            .filter(|entry| entry.rights.contains(CapabilityRights::WRITE))
            .map(|entry| entry.object)
            .filter(|object| object.downcast::<Task>().is_some())
            .ok_or(IpcError::SEND_OVERFLOW)
    }

    /// Whether the receiver knows the object without a mapping (abi/03 §4.4).
    fn local_id(&self, item: MapItem, pass_special: bool) -> Option<Delivery> {
        if core::ptr::eq(self.source, self.destination) {
            let mut rights = item.flexpage.object_rights();
            if !pass_special {
                rights.set(CapabilityRights::SPECIAL, false);
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
