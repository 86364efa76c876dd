//! How long interrupts stay off at most, and in what: only in kernels with the
//! feature `measure`; the others have [`absent.rs`](self) in its place, and no
//! instruction of it.
//!
//! Time is cut where an interrupt would be let in: at each entry into the
//! kernel and exit from it, and where an operation looks whether one waits. The
//! longest stretches are printed when the machine is turned off, as lines
//! `@brio uninterrupted TICKS WHAT`, which `cargo xtask bench` reads.

use core::cell::Cell;
use core::fmt::Write;

use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::label;
use machine::event::Source;
use machine::inspect;

use crate::cpu::Cpu;

/// The kernel was entered for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Label and first word of the message, if it is short: the operation.
    Syscall(i64, u64),
    Fault,
    Interrupt(Source),
}

#[derive(Clone, Copy)]
struct Stretch {
    cause: Cause,
    longest: u64,
}

/// Stretches of different causes that are kept.
const STRETCHES: usize = 48;

/// The stretches of a CPU.
pub struct Latency {
    began: Cell<u64>,
    /// None in user mode.
    cause: Cell<Option<Cause>>,
    stretches: [Cell<Option<Stretch>>; STRETCHES],
}

impl Latency {
    /// Nothing measured.
    pub const fn new() -> Self {
        Self {
            began: Cell::new(0),
            cause: Cell::new(None),
            stretches: [const { Cell::new(None) }; STRETCHES],
        }
    }

    fn begin(&self, cause: impl FnOnce() -> Cause) {
        if self.cause.get().is_none() {
            self.cause.set(Some(cause()));
            self.began.set(inspect::ticks());
        }
    }

    /// A stretch is over.
    fn note(&self) {
        let Some(cause) = self.cause.get() else {
            return;
        };
        let took = inspect::ticks() - self.began.get();
        let is_its = |place: &&Cell<Option<Stretch>>| {
            (place.get()).is_none_or(|stretch| stretch.cause == cause)
        };
        let last = &self.stretches[STRETCHES - 1];
        let place = self.stretches.iter().find(is_its).unwrap_or(last);
        if place.get().is_none_or(|stretch| stretch.longest < took) {
            let longest = took;
            place.set(Some(Stretch { cause, longest }));
        }
        self.began.set(inspect::ticks());
    }
}

/// The kernel was entered by a system call with this tag.
pub fn syscall(cpu: &Cpu, tag: u64) {
    let tag = MessageTag::from_raw(tag);
    let word = || {
        // What is sent to a pager is no operation.
        let is_operation = tag.label() < 0 && tag.label() != label::IO_PAGE_FAULT;
        let current = cpu.current.get(cpu).filter(|_| is_operation)?;
        Some(current.utcb(cpu).word(0))
    };
    let operation = || Cause::Syscall(tag.label(), word().unwrap_or(0));
    cpu.latency.begin(operation);
}

/// The kernel was entered by a fault.
pub fn fault(cpu: &Cpu) {
    cpu.latency.begin(|| Cause::Fault);
}

/// The kernel was entered by an interrupt.
pub fn interrupt(cpu: &Cpu, source: Source) {
    cpu.latency.begin(|| Cause::Interrupt(source));
}

/// An operation looks whether an interrupt waits.
pub fn look(cpu: &Cpu) {
    cpu.latency.note();
}

/// The kernel is left.
pub fn leave(cpu: &Cpu) {
    cpu.latency.note();
    cpu.latency.cause.set(None);
}

/// Prints what was measured on this CPU.
pub fn report(cpu: &Cpu) {
    let console = &cpu.kernel.platform.console;
    for stretch in cpu.latency.stretches.iter().filter_map(Cell::get) {
        let Stretch { cause, longest } = stretch;
        // Nothing can be done about a console that fails.
        let _ = match cause {
            Cause::Syscall(label, word) => write!(
                &*console,
                "@brio uninterrupted {longest} system call, label {label}, word {word:#x}\r\n"
            ),
            Cause::Fault => write!(&*console, "@brio uninterrupted {longest} fault\r\n"),
            Cause::Interrupt(source) => write!(
                &*console,
                "@brio uninterrupted {longest} interrupt, {source:?}\r\n"
            ),
        };
    }
}

#[cfg(all(test, feature = "fast-paths"))]
mod tests {
    use machine::event::Source;

    use crate::latency;
    use crate::testing::{Syscall, run};

    #[test]
    fn each_cause_has_a_line() {
        run(|world| {
            let task = world.task();
            let thread = world.thread(&task, 10);
            world.syscall(&thread, Syscall::call(1).tag(-7, 0, 0));
            world.enter(Source::Timer);
            world.cpu.kernel.platform.console.take_output();
            latency::report(world.cpu);
            let said = world.cpu.kernel.platform.console.take_output();
            let said = String::from_utf8_lossy(&said).into_owned();
            for cause in ["system call, label -7, word 0x0", "interrupt, Timer"] {
                let line = format!("@brio uninterrupted 0 {cause}\r\n");
                assert_eq!(said.matches(&line).count(), 1, "{said}");
            }
        });
    }
}
