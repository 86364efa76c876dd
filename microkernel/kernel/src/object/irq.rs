//! IRQ sender: a message without content that a device, another thread or the
//! kernel triggers; triggers coalesce (abi/05).

use l4_abi::error::ResultCode;
use l4_abi::protocol::irq::{
    BindOpcode, DetachResult, OPCODE_MASK, Opcode, SenderOpcode, UNBOUND_LABEL,
};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use machine::list::{Links, Node};
use machine::lock::Lock;

use super::icu::PinBinding;
use super::ipc_gate::thread_argument;
use super::thread::{Life, Thread};
use super::{Invocation, OperationResult, Outcome, Ref, RefSlot};
use crate::cpu::Cpu;
use crate::ipc;

/// An IRQ sender.
pub struct Irq {
    /// Tells it from all others.
    pub id: u64,
    queued: Links<Irq>,
    thread: RefSlot<Thread>,
    state: Lock<State>,
    /// The pin of an interrupt controller that it is bound to.
    pub pin: PinBinding,
}

/// What it is doing.
#[derive(Clone, Copy)]
pub struct State {
    /// That its messages carry.
    pub label: u64,
    /// A message is on its way to the thread, or at it.
    pub queued: bool,
    /// It was triggered while nobody was bound.
    pub pending: bool,
    /// It was triggered while a message was queued, and masked then.
    pub overrun: bool,
}

/// Chooses the node by which an interrupt is queued at its thread.
pub struct QueuedIrq;

impl Node<Irq> for QueuedIrq {
    fn links(item: &Irq) -> &Links<Irq> {
        &item.queued
    }
}

impl Irq {
    /// An unbound, masked one.
    pub fn new(id: u64) -> Self {
        Self {
            id,
            queued: Links::new(),
            thread: RefSlot::empty(),
            state: Lock::new(State {
                label: UNBOUND_LABEL,
                queued: false,
                pending: false,
                overrun: false,
            }),
            pin: PinBinding::new(false),
        }
    }

    /// What it is doing.
    pub fn status(&self) -> State {
        *self.state.lock()
    }

    /// The thread that its messages go to.
    pub fn thread<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        self.thread.get(cpu)
    }

    /// It is triggered, by its pin or by software.
    pub fn hit(&self, cpu: &Cpu) {
        let mut state = self.state.lock();
        let bound = !self.thread.is_empty();
        let level = self.pin.is_level(cpu);
        let queued = state.queued || state.pending;
        if level || !bound || queued {
            self.pin.mask_and_acknowledge(cpu);
        } else {
            self.pin.acknowledge(cpu);
        }
        match (bound, queued) {
            (true, false) => {
                state.queued = true;
                state.overrun = false;
                drop(state);
                self.send(cpu);
            }
            (true, true) => state.overrun = !level,
            (false, _) if level => {}
            (false, _) => {
                state.pending = !state.queued;
                state.overrun = true;
            }
        }
    }

    /// Brings the queued message to the thread.
    fn send(&self, cpu: &Cpu) {
        let Some(thread) = self.thread.get(cpu) else {
            return;
        };
        if thread.state(cpu).life.get() == Life::Dead {
            let mut state = self.state.lock();
            state.queued = false;
            state.pending = true;
            return;
        }
        let label = self.state.lock().label;
        if ipc::irq::deliver(cpu, thread, self.id, label) {
            self.taken(cpu);
        } else {
            thread.state(cpu).irqs.push_back(self);
            thread.sender_came(cpu);
        }
    }

    /// `thread` takes the message from its list; the message's label.
    pub fn take(&self, cpu: &Cpu, thread: &Thread) -> u64 {
        thread.state(cpu).irqs.remove(self);
        thread.sender_left(cpu);
        self.taken(cpu);
        self.state.lock().label
    }

    fn taken(&self, cpu: &Cpu) {
        let mut state = self.state.lock();
        state.queued = false;
        if core::mem::take(&mut state.overrun) {
            self.pin.unmask(cpu);
        }
    }

    /// Takes a queued message back; true if there was one.
    fn withdraw(&self, cpu: &Cpu) -> bool {
        if let Some(thread) = self.thread.get(cpu) {
            thread.state(cpu).irqs.remove(self);
            thread.sender_left(cpu);
        }
        core::mem::take(&mut self.state.lock().queued)
    }

    /// The thread at which its message is queued is dead.
    pub fn receiver_died(&self, cpu: &Cpu) {
        let withdrawn = self.withdraw(cpu);
        self.state.lock().pending |= withdrawn && !self.pin.is_level(cpu);
        self.thread.replace(None);
    }

    /// Its last capability is gone.
    pub fn destroy(&self, cpu: &Cpu) {
        self.withdraw(cpu);
        self.thread.replace(None);
        self.pin.release(cpu);
    }

    /// Performs an operation.
    pub fn invoke(&self, call: &Invocation<'_>) -> OperationResult {
        let words = call.tag.words();
        match call.tag.label() {
            label::IRQ if words == 0 => {
                self.hit(call.cpu);
                Ok(Outcome::NoReply)
            }
            label::IRQ => match Opcode::from_word(call.word(0) & OPCODE_MASK) {
                Some(Opcode::Trigger) => {
                    self.hit(call.cpu);
                    Ok(Outcome::NoReply)
                }
                Some(Opcode::Unmask) => {
                    let waiting = {
                        let state = self.state.lock();
                        state.queued || state.pending
                    };
                    // Else when the message is taken (abi/05).
                    if !waiting {
                        self.pin.unmask(call.cpu);
                    }
                    Ok(Outcome::NoReply)
                }
                None => Err(ResultCode::ENOSYS.into()),
            },
            label::KERNEL_OBJECT if words == 0 => Err(ResultCode::EINVAL.into()),
            label::KERNEL_OBJECT => match BindOpcode::from_word(call.word(0) & OPCODE_MASK) {
                Some(BindOpcode::BindThread) => self.bind(call),
                None => Err(ResultCode::ENOSYS.into()),
            },
            label::IRQ_SENDER if words == 0 => Err(ResultCode::EINVAL.into()),
            label::IRQ_SENDER => match SenderOpcode::from_word(call.word(0) & OPCODE_MASK) {
                Some(SenderOpcode::Detach) => self.detach(call),
                Some(SenderOpcode::BindVcpu) | None => Err(ResultCode::ENOSYS.into()),
            },
            _ => Err(ResultCode::EBADPROTO.into()),
        }
    }

    fn bind(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_rights(CapabilityRights::SPECIAL)?;
        let thread = thread_argument(call, call.tag.words())?;
        self.attach(call.cpu, thread, call.word(1));
        Ok(Outcome::OK)
    }

    /// Binds it to `thread`; what is queued or pending goes there.
    fn attach(&self, cpu: &Cpu, thread: Ref<Thread>, label: u64) {
        let same = self
            .thread
            .get(cpu)
            .is_some_and(|old| old.id == thread.id && old.state(cpu).life.get() != Life::Dead);
        if same {
            self.state.lock().label = label;
            return;
        }
        let withdrawn = self.withdraw(cpu);
        self.thread.replace(Some(thread));
        let send = {
            let mut state = self.state.lock();
            state.label = label;
            let pending = core::mem::take(&mut state.pending);
            // Whoever binds a pending one has to unmask it.
            state.overrun &= !pending;
            state.queued = withdrawn || pending;
            state.queued
        };
        if send {
            self.send(cpu);
        }
    }

    fn detach(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_rights(CapabilityRights::SPECIAL)?;
        if self.thread.is_empty() {
            return Err(ResultCode::ENOENT.into());
        }
        let cpu = call.cpu;
        let level = self.pin.is_level(cpu);
        let withdrawn = self.withdraw(cpu);
        self.thread.replace(None);
        self.pin.mask(cpu);
        let mut state = self.state.lock();
        let was_pending = withdrawn || state.pending;
        state.label = UNBOUND_LABEL;
        state.pending = was_pending && !level;
        state.overrun = !level;
        Ok(Outcome::label(if was_pending {
            DetachResult::Pending as i64
        } else {
            DetachResult::Inactive as i64
        }))
    }

    /// Rewrites the label of a queued message (Thread modify_senders); later
    /// messages have it too.
    pub fn rewrite_label(&self, rewrite: impl FnOnce(u64) -> Option<u64>) {
        let mut state = self.state.lock();
        if let Some(label) = rewrite(state.label) {
            state.label = label;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
