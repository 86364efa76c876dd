//! Several CPUs in the debugger: one shows the prompt, the others stand still.
//!
//! State that belongs to a CPU is shown by that CPU: a command goes from one
//! to the next. So the debugger breaks no rule about who may look at what. A
//! CPU that does not come, because it hangs in the kernel, is told and left
//! out.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use machine::ipi;
use machine::lock::Lock;
use machine::quiescence::bits;

use super::command::{self, Line, SharedLine};
use super::terminal::{Terminal, say};
use crate::cpu::Cpu;

/// Nobody.
const NONE: u32 = u32::MAX;
/// How long a CPU is waited for, in µs.
const PATIENCE: u64 = 500_000;

/// Who is in the debugger.
pub(super) struct Session {
    /// The CPU with the prompt.
    leader: AtomicU32,
    /// The CPUs that stand still, one bit each.
    present: AtomicU64,
    /// The CPU whose turn it is.
    turn: AtomicU32,
    line: SharedLine,
}

impl Session {
    pub(super) const fn new() -> Self {
        Self {
            leader: AtomicU32::new(NONE),
            present: AtomicU64::new(0),
            turn: AtomicU32::new(NONE),
            line: Lock::new(Line::new()),
        }
    }
}

/// Stops all other CPUs. False if another one has the prompt; then this one
/// has waited until it was left.
pub(super) fn begin(cpu: &Cpu) -> bool {
    let session = &cpu.kernel.debugger.cpus;
    let taken =
        session
            .leader
            .compare_exchange(NONE, cpu.id(), Ordering::AcqRel, Ordering::Acquire);
    if taken.is_err() {
        attend(cpu);
        return false;
    }
    for other in others(cpu) {
        ipi::send(&cpu.kernel.platform, other);
    }
    for other in others(cpu) {
        if !wait_until(cpu, || is_present(session, other)) {
            say!(Terminal::new(cpu), "\nCPU {other} does not stop.");
        }
    }
    true
}

/// Lets the other CPUs go on.
pub(super) fn end(cpu: &Cpu) {
    let session = &cpu.kernel.debugger.cpus;
    session.leader.store(NONE, Ordering::Release);
    for other in others(cpu) {
        wait_until(cpu, || !is_present(session, other));
    }
}

/// If another CPU has the prompt: waits until it is left, and does this CPU's
/// part of commands.
pub(super) fn attend(this: &Cpu) {
    let session = &this.kernel.debugger.cpus;
    let is_led = || {
        let leader = session.leader.load(Ordering::Acquire);
        leader != NONE && leader != this.id()
    };
    if !is_led() {
        return;
    }
    let bit = 1 << this.id();
    session.present.fetch_or(bit, Ordering::AcqRel);
    while is_led() {
        if session.turn.load(Ordering::Acquire) == this.id() {
            let line = *session.line.lock();
            command::run(this, line.text());
            session.turn.store(NONE, Ordering::Release);
        }
        machine::cpu::relax();
    }
    session.present.fetch_and(!bit, Ordering::AcqRel);
}

/// True on the CPU that shows the prompt.
pub(super) fn is_leader(cpu: &Cpu) -> bool {
    let leader = cpu.kernel.debugger.cpus.leader.load(Ordering::Acquire);
    // Before user mode starts there is one CPU and no prompt.
    leader == cpu.id() || leader == NONE
}

/// Lets the other CPUs do their parts of a command, one after another.
pub(super) fn hand_around(cpu: &Cpu, line: &str) {
    let session = &cpu.kernel.debugger.cpus;
    *session.line.lock() = Line::of(line.as_bytes());
    for other in others(cpu).filter(|&other| is_present(session, other)) {
        session.turn.store(other, Ordering::Release);
        // It shows as much as there is, which takes any time.
        while session.turn.load(Ordering::Acquire) != NONE {
            machine::cpu::relax();
        }
    }
}

fn others(cpu: &Cpu) -> impl Iterator<Item = u32> {
    bits(cpu.kernel.quiescence.online() & !(1 << cpu.id()))
}

fn is_present(session: &Session, cpu: u32) -> bool {
    session.present.load(Ordering::Acquire) & 1 << cpu != 0
}

fn wait_until(cpu: &Cpu, condition: impl Fn() -> bool) -> bool {
    let timer = &cpu.kernel.platform.timer;
    let end = timer.now().saturating_add(PATIENCE);
    while !condition() {
        if timer.now() > end {
            return false;
        }
        machine::cpu::relax();
    }
    true
}
