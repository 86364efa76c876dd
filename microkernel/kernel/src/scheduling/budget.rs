//! The time slice that the current thread runs on: its own, or that of a
//! thread which donated it by a call.

use core::cell::Cell;

use machine::object::Link;

use crate::cpu::Cpu;
use crate::object::thread::{Thread, ThreadState};

/// Length of a time slice unless the scheduler object says otherwise, in µs.
pub const DEFAULT_QUANTUM: u64 = 10_000;

/// Whose time passes, and until when.
pub struct Budget {
    pub(super) owner: Link<Thread>,
    priority: Cell<u8>,
    started: Cell<u64>,
    ends: Cell<u64>,
    changed: Cell<bool>,
}

impl Budget {
    /// Nobody's.
    pub const fn new() -> Self {
        Self {
            owner: Link::new(),
            priority: Cell::new(0),
            started: Cell::new(0),
            ends: Cell::new(u64::MAX),
            changed: Cell::new(false),
        }
    }

    /// The priority that counts; 0 if nobody's time passes.
    #[inline]
    pub fn priority(&self) -> u8 {
        self.priority.get()
    }

    /// True if it is the time of `thread` that passes.
    pub fn is_of(&self, thread: &Thread) -> bool {
        self.owner.is(thread)
    }

    /// True if nobody's time passes.
    pub fn is_nobodys(&self) -> bool {
        self.owner.is_empty()
    }

    /// When the time slice ends, in µs; `u64::MAX`: it is nobody's.
    #[inline]
    pub fn ends(&self) -> u64 {
        self.ends.get()
    }

    /// Somebody may wait for the end of the time slice from now on.
    #[inline]
    pub fn set_changed(&self) {
        self.changed.set(true);
    }

    /// True if it is another time slice than when this was asked last, or
    /// others wait for its end.
    pub fn take_changed(&self) -> bool {
        self.changed.replace(false)
    }

    /// True if the time slice is over at `now`.
    pub fn is_used_up(&self, now: u64) -> bool {
        !self.owner.is_empty() && now >= self.ends.get()
    }

    /// The time of `thread` passes from now on.
    pub fn start(&self, cpu: &Cpu, thread: &Thread) {
        if self.switch(cpu, thread, thread.state(cpu)) {
            self.changed.set(true);
        }
    }

    /// The time of `thread` passes from now on. False if it was that already.
    #[inline(always)]
    pub fn switch(&self, cpu: &Cpu, thread: &Thread, state: &ThreadState) -> bool {
        if self.owner.is(thread) {
            return false;
        }
        let now = cpu.kernel.platform.timer.now();
        if let Some(owner) = self.owner.replace(cpu, thread) {
            self.charge(owner.state(cpu), now);
        }
        self.begin(state, now);
        true
    }

    /// `thread`, whose time passes, has a new priority and time slice.
    pub fn change(&self, cpu: &Cpu, thread: &Thread) {
        let now = cpu.kernel.platform.timer.now();
        let state = thread.state(cpu);
        let used = now.saturating_sub(self.started.get());
        state.consumed.set(state.consumed.get() + used);
        self.begin(state, now);
        self.changed.set(true);
    }

    /// A time slice that is used up is followed by a new one.
    #[inline(always)]
    fn begin(&self, state: &ThreadState, now: u64) {
        let slice = match state.remaining.get() {
            ..=0 => state.quantum.get(),
            remaining => remaining as u64,
        };
        self.priority.set(state.priority.get());
        self.started.set(now);
        self.ends.set(now.wrapping_add(slice));
    }

    /// Writes down what the owner has used up to now.
    fn account(&self, cpu: &Cpu) {
        if let Some(owner) = self.owner.get(cpu) {
            let now = cpu.kernel.platform.timer.now();
            self.charge(owner.state(cpu), now);
            self.started.set(now);
        }
    }

    /// Charges the owner, which has this state.
    #[inline(always)]
    fn charge(&self, state: &ThreadState, now: u64) {
        let used = now.wrapping_sub(self.started.get());
        state.consumed.set(state.consumed.get().wrapping_add(used));
        let remaining = self.ends.get().wrapping_sub(now);
        state.remaining.set(remaining as i64);
    }

    /// Nobody's time passes, after the owner's is written down. If its time
    /// slice is used up, it has a new one for later.
    pub fn stop(&self, cpu: &Cpu) {
        if !self.owner.is_empty() {
            self.account(cpu);
            self.clear();
        }
    }

    /// Nobody's time passes.
    pub fn clear(&self) {
        self.owner.set(None);
        self.priority.set(0);
        self.ends.set(u64::MAX);
        self.changed.set(true);
    }

    /// The µs that `thread` has used.
    pub fn consumed(&self, cpu: &Cpu, thread: &Thread) -> u64 {
        if self.owner.is(thread) {
            self.account(cpu);
        }
        thread.state(cpu).consumed.get()
    }
}
