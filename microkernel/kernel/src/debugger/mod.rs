//! The kernel debugger: a prompt on the console, from which one looks at what
//! the kernel has. It is in kernels with the feature `debugger` only; the
//! others have [`absent.rs`](self) in its place.
//!
//! It is entered by the key Esc, by a program through the debugger object, by
//! the end of a kernel that panicked, or before user mode starts, as the
//! kernel's options say. It changes nothing but names. All other CPUs stand
//! still meanwhile (`cpus`), each ready to show what only it may look at.
//!
//! `command` has the table of commands. Each view is a file: `threads`,
//! `tasks`, `mappings`, `queues`, `interrupts`, `memory`. `registry` knows all
//! objects, by number and name; `protocol` is the debugger object.

mod backtrace;
mod command;
mod cpus;
mod interrupts;
mod mappings;
mod memory;
mod protocol;
mod queues;
mod registry;
mod tasks;
mod terminal;
mod threads;

use core::fmt;

use l4_abi::boot::options::Flags;
use machine::lock::Lock;
use machine::options::Options;

use crate::cpu::Cpu;
use crate::memory::{KernelHeap, OutOfMemory};
use crate::trace;

pub use protocol::{create_object, invoke};
pub use registry::{Registered, forget, name, register};

use command::Line;
use registry::Registry;
use terminal::{Keys, Terminal, say};

/// The debugger of one kernel.
pub struct Debugger {
    registry: Registry,
    /// It may be entered.
    enabled: bool,
    /// Esc enters it.
    has_key: bool,
    /// It is entered before user mode starts.
    waits: bool,
    /// What it is told to do then.
    start_command: Line,
    /// Input that is for others.
    keys: Lock<Keys>,
    cpus: cpus::Session,
    /// Names, for who reads trace buffers.
    pub trace_names: trace::Buffer,
}

/// The key that enters the debugger.
const ESCAPE: u8 = 0x1b;

impl Debugger {
    /// The debugger as the options want it (abi/07 §1).
    pub fn new(heap: &KernelHeap, options: &Options) -> Result<Self, OutOfMemory> {
        let flags = Flags::from_bits_retain(options.flags);
        let command = options.debugger_command;
        let command = command.split(|&byte| byte == 0).next();
        Ok(Self {
            registry: Registry::new(),
            enabled: !flags.contains(Flags::NO_DEBUGGER),
            has_key: flags.contains(Flags::SERIAL_ESC),
            waits: flags.contains(Flags::WAIT),
            start_command: command
                .filter(|_| flags.contains(Flags::DEBUGGER_COMMAND))
                .map_or(Line::new(), Line::of),
            keys: Lock::new(Keys::new()),
            cpus: cpus::Session::new(),
            trace_names: trace::Buffer::new(heap, options)?,
        })
    }
}

/// The kernel has started; user mode has not.
pub fn started(cpu: &Cpu) {
    let debugger = &cpu.kernel.debugger;
    if !debugger.start_command.is_empty() && debugger.enabled {
        execute(cpu, debugger.start_command.text());
    }
    if debugger.waits {
        enter(cpu, format_args!("before user mode starts"));
    }
}

/// The console's device has input: Esc enters the debugger, all else is kept
/// for others. True if there is something for them.
pub fn filter_input(cpu: &Cpu) -> bool {
    let debugger = &cpu.kernel.debugger;
    if !debugger.enabled || !debugger.has_key {
        return true;
    }
    // Before it is emptied, so that no input comes unnoticed afterwards.
    if let Some(pin) = cpu.kernel.platform.console.interrupt_pin() {
        cpu.kernel.platform.chip.unmask(pin);
    }
    let mut is_called = false;
    while !is_called && let Some(byte) = cpu.kernel.platform.console.read() {
        if byte == ESCAPE {
            is_called = true;
        } else {
            debugger.keys.lock().put(byte);
        }
    }
    if is_called {
        enter(cpu, format_args!("Esc was pressed"));
    }
    !debugger.keys.lock().is_empty()
}

/// Takes a byte of input that is not the debugger's.
pub fn read_input(cpu: &Cpu) -> Option<u8> {
    let kept = cpu.kernel.debugger.keys.lock().take();
    kept.or_else(|| cpu.kernel.platform.console.read())
}

/// Another CPU may have entered the debugger: this one waits until it leaves.
pub fn attend(cpu: &Cpu) {
    cpus::attend(cpu);
}

/// The kernel cannot go on: a last look.
pub fn panicked(cpu: &Cpu) {
    enter(cpu, format_args!("the kernel panicked"));
}

/// Shows the prompt until it is left by `go`.
fn enter(cpu: &Cpu, reason: fmt::Arguments<'_>) {
    let debugger = &cpu.kernel.debugger;
    if !debugger.enabled || !cpus::begin(cpu) {
        return;
    }
    // The rest of what somebody is writing.
    if let Some(mut output) = cpu.kernel.output.try_lock() {
        while output.write_next(&cpu.kernel.platform.console) {}
    }
    let terminal = &Terminal::new(cpu);
    say!(
        terminal,
        "\nKernel debugger, CPU {}: {reason}. `help` lists commands, `go` leaves.",
        cpu.id()
    );
    loop {
        let line = terminal.read_line();
        if line.is("go") {
            break;
        }
        execute(cpu, line.text());
    }
    cpus::end(cpu);
}

/// Carries out the commands of a line, which semicolons separate.
fn execute(cpu: &Cpu, line: &str) {
    for part in line.split(';') {
        let part = part.trim();
        if !part.is_empty() {
            command::execute(cpu, part);
        }
    }
}

#[cfg(test)]
mod tests;
