//! Reply capabilities (abi/03 §3): the right to answer one caller once.
//!
//! A [`ReplyPlace`] (one in each thread, and those of the task's reply space)
//! names at most one caller, and a caller is named by at most one place; the
//! two point to each other.

use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

use l4_abi::capability::ReplySlot;
use l4_abi::error::IpcError;
use l4_abi::rights::CapabilityRights;
use machine::object::{Anchor, Anchored, Link};

use crate::cpu::Cpu;
use crate::object::thread::{Thread, ThreadState};

/// A place for a reply capability.
pub struct ReplyPlace {
    caller: Link<Thread>,
    /// W and S of the capability through which the call came.
    rights: AtomicU8,
    anchor: Anchor,
}

impl ReplyPlace {
    /// An empty place.
    pub const fn new() -> Self {
        Self {
            caller: Link::new(),
            rights: AtomicU8::new(0),
            anchor: Anchor::new(),
        }
    }
}

impl ReplyPlace {
    /// The caller that it names.
    pub fn caller<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        self.caller.get(cpu)
    }
}

impl Default for ReplyPlace {
    fn default() -> Self {
        Self::new()
    }
}

impl Anchored for ReplyPlace {
    fn anchor(&self) -> &Anchor {
        &self.anchor
    }
}

/// The place that `slot` names for `thread`, if it exists.
pub fn place<'cpu>(
    cpu: &'cpu Cpu,
    thread: &'cpu Thread,
    slot: ReplySlot,
) -> Option<&'cpu ReplyPlace> {
    match slot {
        ReplySlot::Implicit => Some(&thread.state(cpu).reply),
        ReplySlot::Explicit(index) => thread.task(cpu)?.reply_space.get(index),
    }
}

/// Lets `server`, which has received the call of `caller`, answer it once.
/// Whoever could be answered through the place before cannot any more.
pub fn connect(cpu: &Cpu, server: &Thread, caller: &Thread, rights: CapabilityRights) {
    let slot = server.state(cpu).request.get().reply_slot;
    let Some(place) = place(cpu, server, slot) else {
        return;
    };
    lose_caller(cpu, place);
    place.caller.set(Some(caller));
    place.rights.store(rights.bits(), Relaxed);
    caller.state(cpu).answer.set(Some(place));
}

/// The next caller of `server` is to be answered through its implicit place.
pub fn use_implicit_place(cpu: &Cpu, server: &Thread) {
    let state = server.state(cpu);
    let mut request = state.request.get();
    request.reply_slot = ReplySlot::Implicit;
    state.request.set(request);
}

/// Empties the place: the caller that it named, and the rights.
pub fn take<'cpu>(cpu: &'cpu Cpu, place: &ReplyPlace) -> Option<(&'cpu Thread, CapabilityRights)> {
    let caller = place.caller.get(cpu)?;
    place.caller.set(None);
    caller.state(cpu).answer.set(None);
    let rights = CapabilityRights::from_bits_retain(place.rights.load(Relaxed));
    Some((caller, rights))
}

/// True if [`connect_implicit`] can let a server that waits for anybody answer
/// a caller: its implicit place is free, and the one that it waits with.
#[inline]
pub fn can_connect(server: &ThreadState) -> bool {
    debug_assert!(server.answer.is_empty(), "it does not wait for an answer");
    server.reply.caller.is_empty() && waits_implicitly(server)
}

/// True if the implicit place is the one that the thread waits with, or waited
/// with last.
#[inline]
pub fn waits_implicitly(server: &ThreadState) -> bool {
    server.request.get().reply_slot == ReplySlot::Implicit
}

/// [`connect`] for a server that [can do so](can_connect).
#[inline(always)]
pub fn connect_implicit(
    server: &ThreadState,
    caller: &Thread,
    state: &ThreadState,
    rights: CapabilityRights,
) {
    server.reply.caller.set(Some(caller));
    server.reply.rights.store(rights.bits(), Relaxed);
    state.answer.set(Some(&server.reply));
}

/// Whom a server can answer through its implicit place.
#[inline]
pub fn implicit_caller<'cpu>(cpu: &'cpu Cpu, server: &ThreadState) -> Option<&'cpu Thread> {
    server.reply.caller.get(cpu)
}

/// [`take`] of the [`implicit_caller`].
#[inline]
pub fn disconnect_implicit(server: &ThreadState, caller: &ThreadState) {
    server.reply.caller.set(None);
    caller.answer.set(None);
}

/// Nobody can answer `thread` any more; it does not wait for that.
pub fn end_answer(cpu: &Cpu, thread: &Thread) {
    let answer = &thread.state(cpu).answer;
    if let Some(place) = answer.get(cpu) {
        place.caller.set(None);
        answer.set(None);
    }
}

/// The place goes: the caller that it names can never be answered, so its
/// call fails (stricter than the reference, where it hangs).
pub fn lose_caller(cpu: &Cpu, place: &ReplyPlace) {
    if let Some((caller, _)) = take(cpu, place) {
        super::abort(cpu, caller, IpcError::RECEIVE_CANCELED);
    }
}

/// A caller that the place names is named by this place.
#[cfg(test)]
pub(crate) fn check(cpu: &Cpu, place: &ReplyPlace) {
    if let Some(caller) = place.caller.get(cpu) {
        assert!(caller.state(cpu).answer.is(place));
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
