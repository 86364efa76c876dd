//! Reply capabilities (abi/03 §3): the right to answer one caller once.
//!
//! A [`ReplyPlace`] (one in each thread, and those of the task's reply space)
//! and the caller that it names are a pair, which either side may end on
//! whatever CPU. A place ends it to answer the caller, or to lose it; the
//! caller, when it waits no longer.

use core::sync::atomic::Ordering::Relaxed;

use l4_abi::capability::ReplySlot;
use l4_abi::error::IpcError;
use l4_abi::message_tag::MessageTag;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::{Timeout, TimeoutPair};
use machine::object::pair::{self, Half, Leave, Paired};

use super::Request;
use crate::cpu::Cpu;
use crate::object::thread::{Source, Thread};
use crate::remote::{self, Errand};

/// A place for a reply capability.
pub struct ReplyPlace {
    caller: Half<Thread>,
}

impl ReplyPlace {
    /// An empty place.
    pub const fn new() -> Self {
        Self {
            caller: Half::new(),
        }
    }

    /// The caller that can be answered.
    pub fn caller<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        self.caller.get(cpu)
    }
}

impl Default for ReplyPlace {
    fn default() -> Self {
        Self::new()
    }
}

impl Paired<Thread> for ReplyPlace {
    fn half(&self) -> &Half<Thread> {
        &self.caller
    }
}

/// The place that `slot` names for `thread`, if it exists.
pub fn place<'cpu>(
    cpu: &'cpu Cpu,
    thread: &'cpu Thread,
    slot: ReplySlot,
) -> Option<&'cpu ReplyPlace> {
    match slot {
        ReplySlot::Implicit => Some(&thread.reply),
        ReplySlot::Explicit(index) => thread.task(cpu)?.reply_space.get(index),
    }
}

/// The call that `server` has received failed at once: it cannot be answered, nor can whoever could
/// be before.
#[cold]
pub fn disconnect(cpu: &Cpu, server: &Thread) {
    let slot = server.state(cpu).request.get().reply_slot;
    if let Some(place) = place(cpu, server, slot) {
        lose_caller(cpu, place);
    }
}

/// Lets `server`, which has received the call of `caller`, answer it once.
/// Whoever could be answered through the place before cannot any more.
pub fn connect(cpu: &Cpu, server: &Thread, caller: &Thread, rights: CapabilityRights) {
    let state = server.state(cpu);
    let slot = state.request.get().reply_slot;
    let Some(place) = place(cpu, server, slot) else {
        return;
    };
    if let ReplySlot::Explicit(index) = slot {
        state.callers_from.set(state.callers_from.get().min(index));
    }
    caller.answer_rights.store(rights.bits(), Relaxed);
    caller.answerer.store(server.id, Relaxed);
    if let Some(lost) = pair::join(cpu, place, caller) {
        lose(cpu, lost);
    }
}

/// `server` takes a message for which its vCPU is entered, if one is there;
/// a caller is to be answered through its implicit place.
pub fn expect_any(cpu: &Cpu, server: &Thread) {
    let state = server.state(cpu);
    state.request.set(Request {
        receive: Some(Source::Anyone),
        ..Request::new(
            MessageTag::EMPTY,
            TimeoutPair::new(Timeout::NEVER, Timeout::ZERO),
        )
    });
}

/// The rights of the call of `caller`, which the place names. `None`: the caller
/// waits no longer.
pub fn rights(place: &ReplyPlace, caller: &Thread) -> Option<CapabilityRights> {
    let rights = CapabilityRights::from_bits_retain(caller.answer_rights.load(Relaxed));
    caller.answer.is(place).then_some(rights)
}

/// Uses the place up for `caller`, which it names and which is on this CPU;
/// the rights. `None`: the caller waits no longer.
pub fn take(cpu: &Cpu, place: &ReplyPlace, caller: &Thread) -> Option<CapabilityRights> {
    let rights = rights(place, caller)?;
    (pair::leave(cpu, caller) == Leave::Left).then_some(rights)
}

/// Uses the place up without an answer; its caller goes on waiting.
pub fn forgo(cpu: &Cpu, place: &ReplyPlace) {
    drop(pair::part(cpu, place));
}

/// Nobody can answer `thread` any more; it does not wait for that. False if
/// another CPU has just ended its call ([`lose_caller`]) and says so soon.
pub fn end_answer(cpu: &Cpu, thread: &Thread) -> bool {
    pair::leave(cpu, thread) == Leave::Left || !thread.errands.is_noted(Errand::CallerLost)
}

/// The call of `thread` fails: another CPU, which may not be quite through with
/// that, has ended it.
pub fn caller_lost(cpu: &Cpu, thread: &Thread) {
    pair::leave(cpu, thread);
    super::fail_wait(cpu, thread, IpcError::RECEIVE_CANCELED);
}

/// The place goes: the caller that it names can never be answered, so its
/// call fails (stricter than the reference, where it hangs).
pub fn lose_caller(cpu: &Cpu, place: &ReplyPlace) {
    if let Some(lost) = pair::part(cpu, place) {
        lose(cpu, lost);
    }
}

/// The same if the caller waits for `server`, which is dead; the place stays,
/// for other threads. False if there is no such caller.
pub fn lose_caller_of(cpu: &Cpu, place: &ReplyPlace, server: &Thread) -> bool {
    let waits_for_it = |caller: &&Thread| caller.answerer.load(Relaxed) == server.id;
    let caller = place.caller(cpu).filter(waits_for_it);
    let lost = caller.and_then(|caller| pair::part_from(place, caller));
    let is_one = lost.is_some();
    if let Some(lost) = lost {
        lose(cpu, lost);
    }
    is_one
}

fn lose(cpu: &Cpu, lost: pair::Parted<'_, ReplyPlace, Thread>) {
    let caller = lost.get();
    if caller.is_here(cpu) {
        drop(lost);
        remote::errand(cpu, caller, Errand::CallerLost);
    } else {
        // Noted while it still counts as paired: see `end_answer`.
        caller.errands.note(Errand::CallerLost);
        drop(lost);
        remote::tell(cpu.kernel, caller);
    }
}

/// A caller that the place names is named by this place.
#[cfg(test)]
pub(crate) fn check(cpu: &Cpu, place: &ReplyPlace) {
    if let Some(caller) = place.caller.get(cpu) {
        assert!(caller.answer.is(place));
    }
}

#[cfg(test)]
impl ReplyPlace {
    pub(crate) fn is_empty(&self) -> bool {
        self.caller.is_empty()
    }

    pub(crate) fn names(&self, caller: &Thread) -> bool {
        self.caller.is(caller)
    }
}
