//! IRQ sender: a message without content that a device, another thread or the
//! kernel triggers; triggers coalesce (abi/05).

#[cfg(feature = "fast-paths")]
mod fast;

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use l4_abi::error::ResultCode;
use l4_abi::protocol::irq::{
    BindOpcode, DetachResult, OPCODE_MASK, Opcode, SenderOpcode, UNBOUND_LABEL,
};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use machine::list::Links;
use machine::lock::Lock;

use super::icu::PinBinding;
use super::ipc_gate::thread_argument;
use super::thread::Thread;
use super::{Invocation, OperationResult, Outcome, Ref, RefSlot, ensure};
use crate::cpu::Cpu;
use crate::ipc::{self, irq::Delivery};
use crate::remote::{self, Errand};
use crate::scheduling;

/// An IRQ sender.
pub struct Irq {
    /// Tells it from all others.
    pub id: u64,
    pub(crate) queued: Links<Irq>,
    /// While it is the one whose label is changed next.
    pub(crate) next_to_rewrite: Links<Irq>,
    label: AtomicU64,
    /// Changed under the lock of `state`.
    thread: RefSlot<Thread>,
    /// Taken before the lock of the thread's mailbox.
    state: Lock<State>,
    /// The pin of an interrupt controller that it is bound to.
    pub pin: PinBinding,
}

/// What it is doing.
#[derive(Clone, Copy)]
pub struct State {
    /// A message waits in the thread's mailbox.
    pub queued: bool,
    /// It was triggered while nobody was bound.
    pub pending: bool,
    /// It was triggered while a message was queued, and masked then.
    pub overrun: bool,
    /// It is destroyed.
    dead: bool,
}

/// Chooses the node by which an interrupt is queued at its thread.
pub struct QueuedIrq;

impl Irq {
    /// An unbound, masked one.
    pub fn new(id: u64) -> Self {
        Self {
            id,
            queued: Links::new(),
            next_to_rewrite: Links::new(),
            label: AtomicU64::new(UNBOUND_LABEL),
            thread: RefSlot::empty(),
            state: Lock::new(State {
                queued: false,
                pending: false,
                overrun: false,
                dead: false,
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

    /// The label that its messages carry.
    pub fn label(&self) -> u64 {
        self.label.load(Relaxed)
    }

    /// Its pin raised an interrupt. The next one comes to the CPU that the
    /// thread runs on. Only then is that CPU told of the pin: a level that is
    /// not masked yet would interrupt it too.
    pub fn interrupt(&self, cpu: &Cpu) {
        self.hit(cpu);
        if let Some(thread) = self.thread.get(cpu)
            && !thread.lives_here(cpu)
        {
            self.pin.route(cpu, thread.residence());
        }
    }

    /// It is triggered, by its pin or by software.
    pub fn hit(&self, cpu: &Cpu) {
        if let Some(thread) = self.trigger(cpu) {
            scheduling::make_ready(cpu, thread);
        }
    }

    /// It is triggered. The thread that waited for it, and has its message now:
    /// to be made ready.
    #[must_use]
    pub fn trigger<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        let mut state = self.state.lock();
        if state.dead {
            return None;
        }
        let bound = !self.thread.is_empty();
        let level = self.pin.is_level(cpu);
        let queued = state.queued || state.pending;
        if level || !bound || queued {
            self.pin.mask(cpu);
        }
        match (bound, queued) {
            (true, false) => {
                state.overrun = false;
                return self.send(cpu, &mut state);
            }
            (true, true) => state.overrun = !level,
            (false, _) if level => {}
            (false, _) => {
                state.pending = !state.queued;
                state.overrun = true;
            }
        }
        None
    }

    /// Brings a message to the thread; to its mailbox if it does not wait. If
    /// it did, it is to be made ready.
    #[must_use]
    fn send<'cpu>(&self, cpu: &'cpu Cpu, state: &mut State) -> Option<&'cpu Thread> {
        let thread = self.thread.get(cpu)?;
        let here = thread.is_here(cpu);
        if here {
            let delivery = ipc::irq::deliver(cpu, thread, self.id, self.label());
            if !matches!(delivery, Delivery::Refused) {
                self.taken(cpu, state);
                return matches!(delivery, Delivery::Received).then_some(thread);
            }
        }
        if thread.mailbox.add_irq(self) {
            state.queued = true;
            if here {
                thread.sender_came(cpu);
            } else {
                remote::ask(cpu, thread, Errand::Mailbox);
            }
        } else {
            // It is dead.
            state.pending = true;
        }
        None
    }

    /// `thread` takes the message from its mailbox; the message's label, if it
    /// was there.
    pub fn take(&self, cpu: &Cpu, thread: &Thread) -> Option<u64> {
        let mut state = self.state.lock();
        if !thread.mailbox.remove_irq(cpu, self) {
            return None;
        }
        thread.sender_left(cpu);
        self.taken(cpu, &mut state);
        Some(self.label())
    }

    fn taken(&self, cpu: &Cpu, state: &mut State) {
        state.queued = false;
        if core::mem::take(&mut state.overrun) {
            self.pin.unmask(cpu);
        }
    }

    /// Takes a queued message back; true if there was one.
    fn withdraw(&self, cpu: &Cpu, state: &mut State) -> bool {
        if let Some(thread) = self.thread.get(cpu)
            && thread.mailbox.remove_irq(cpu, self)
        {
            remote::sender_left(cpu, thread);
        }
        core::mem::take(&mut state.queued)
    }

    /// `thread`, in whose mailbox its message is, is dead.
    pub fn receiver_died(&self, cpu: &Cpu, thread: &Thread) {
        let mut state = self.state.lock();
        if thread.mailbox.remove_irq(cpu, self) {
            state.queued = false;
            state.pending |= !self.pin.is_level(cpu);
            self.thread.replace(None);
        }
    }

    /// Its last capability is gone.
    pub fn destroy(&self, cpu: &Cpu) {
        let mut state = self.state.lock();
        state.dead = true;
        self.withdraw(cpu, &mut state);
        self.thread.replace(None);
        drop(state);
        self.pin.release(cpu);
    }

    /// Performs an operation.
    #[inline(never)]
    pub fn invoke(&self, call: &Invocation<'_>) -> OperationResult {
        let words = call.tag.words();
        match call.tag.label() {
            label::IRQ => {
                let status = self.status();
                match asked(call)? {
                    Opcode::Trigger => self.hit(call.cpu),
                    // When the message is taken (abi/05).
                    Opcode::Unmask if status.queued || status.pending => {}
                    Opcode::Unmask => self.pin.unmask(call.cpu),
                }
                Ok(Outcome::NO_REPLY)
            }
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
        let mut state = self.state.lock();
        if state.dead {
            return;
        }
        let same = self
            .thread
            .get(cpu)
            .is_some_and(|old| old.id == thread.id && !old.mailbox.is_closed());
        self.label.store(label, Relaxed);
        if same {
            return;
        }
        let withdrawn = self.withdraw(cpu, &mut state);
        self.pin.route(cpu, thread.residence());
        self.thread.replace(Some(thread));
        let pending = core::mem::take(&mut state.pending);
        // Whoever binds a pending one has to unmask it.
        state.overrun &= !pending;
        if (withdrawn || pending)
            && let Some(thread) = self.send(cpu, &mut state)
        {
            scheduling::make_ready(cpu, thread);
        }
    }

    fn detach(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_rights(CapabilityRights::SPECIAL)?;
        let cpu = call.cpu;
        let mut state = self.state.lock();
        ensure(!self.thread.is_empty(), ResultCode::ENOENT)?;
        let level = self.pin.is_level(cpu);
        let withdrawn = self.withdraw(cpu, &mut state);
        self.thread.replace(None);
        self.pin.mask(cpu);
        let was_pending = withdrawn || state.pending;
        self.label.store(UNBOUND_LABEL, Relaxed);
        state.pending = was_pending && !level;
        state.overrun = !level;
        Ok(Outcome::label(match was_pending {
            true => DetachResult::Pending as i64,
            false => DetachResult::Inactive as i64,
        }))
    }

    /// Rewrites the label of a queued message (Thread modify_senders); later
    /// messages have it too.
    pub fn rewrite_label(&self, rewrite: impl FnOnce(u64) -> Option<u64>) {
        if let Some(label) = rewrite(self.label()) {
            self.label.store(label, Relaxed);
        }
    }
}

/// What a request of the IRQ protocol asks for: a trigger, if it has no words.
pub(super) fn asked(call: &Invocation<'_>) -> Result<Opcode, ResultCode> {
    match call.tag.words() {
        0 => Ok(Opcode::Trigger),
        _ => Opcode::from_word(call.word(0) & OPCODE_MASK).ok_or(ResultCode::ENOSYS),
    }
}

#[cfg(test)]
pub(crate) mod tests;
