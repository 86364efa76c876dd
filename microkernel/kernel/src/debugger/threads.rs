//! Threads: what each does, or waits for.

use core::fmt;

use l4_abi::message_tag::MessageTag;
use machine::inspect;

use super::command::Arguments;
use super::registry::{Label, Objects, Padded};
use super::terminal::{Terminal, say, say_part};
use crate::cpu::Cpu;
use crate::object::Header;
use crate::object::thread::{Deferred, Life, Purpose, Source, Stop, Thread, Waiting};

/// The threads of this CPU.
pub(super) fn list(cpu: &Cpu, terminal: &Terminal<'_>, _arguments: &mut Arguments<'_>) {
    let Some(objects) = Objects::of(cpu, terminal) else {
        return;
    };
    say!(
        terminal,
        "CPU {}\n{:>6} {:<16} {:<20} {:>4}  what it does",
        cpu.id(),
        "#",
        "thread",
        "task",
        "prio"
    );
    for (header, thread) in objects.of_type::<Thread>() {
        if thread.home() != cpu.id() {
            continue;
        }
        let state = thread.state(cpu);
        let debug = &header.common().debug;
        say_part!(terminal, "{:>6} {} ", debug.number(), Padded(debug.name()));
        match thread.task_header(cpu) {
            Some(task) => {
                let debug = &task.common().debug;
                let name = Padded(debug.name());
                say_part!(terminal, "{:>3} {name}", debug.number());
            }
            None => say_part!(terminal, "{:<20}", "  - none"),
        }
        say!(
            terminal,
            " {:>4}  {}",
            state.priority.get(),
            Doing { cpu, thread }
        );
    }
}

/// One thread, if it is of this CPU.
pub(super) fn show(cpu: &Cpu, terminal: &Terminal<'_>, arguments: &mut Arguments<'_>) {
    let Some((header, thread)) = own(cpu, terminal, arguments) else {
        return;
    };
    show_one(cpu, terminal, Some(header), thread);
}

/// The thread of this CPU that the arguments name. The CPU with the prompt
/// says so if nobody has it.
pub(super) fn own<'cpu>(
    cpu: &'cpu Cpu,
    terminal: &Terminal<'_>,
    arguments: &mut Arguments<'_>,
) -> Option<(&'cpu Header, &'cpu Thread)> {
    if !super::cpus::is_leader(cpu) {
        let objects = Objects::wait(cpu);
        let header = objects.find(arguments.number(terminal)?)?;
        let thread: &Thread = header.downcast()?;
        return (thread.home() == cpu.id()).then_some((header, thread));
    }
    let number = arguments.number(terminal)?;
    let objects = Objects::of(cpu, terminal)?;
    let (header, thread) = objects.get::<Thread>(number, "thread", terminal)?;
    (thread.home() == cpu.id()).then_some((header, thread))
}

/// Everything about a thread of this CPU.
pub(super) fn show_one(
    cpu: &Cpu,
    terminal: &Terminal<'_>,
    header: Option<&Header>,
    thread: &Thread,
) {
    let state = thread.state(cpu);
    if let Some(header) = header {
        say!(
            terminal,
            "thread {} on CPU {}{}: {}",
            Label(header),
            cpu.id(),
            Residence { cpu, thread },
            Doing { cpu, thread }
        );
    }
    match thread.task_header(cpu) {
        Some(task) => say!(terminal, "  task {}", Label(task)),
        None => say!(terminal, "  bound to no task"),
    }
    say!(
        terminal,
        "  priority {}, {} of {} µs left, used {} µs",
        state.priority.get(),
        state.remaining.get().max(0),
        state.quantum.get(),
        state.consumed.get()
    );
    say!(
        terminal,
        "  pager {}, exception handler {}{}",
        Slot(state.pager.get()),
        Slot(state.exception_handler.get()),
        if state.is_alien.get() { ", alien" } else { "" }
    );
    let request = state.request.get();
    say!(
        terminal,
        "  last IPC: {}, label {:#x}",
        Tag(request.tag),
        request.label
    );
    let mut senders = thread.mailbox.senders(cpu).peekable();
    if senders.peek().is_some() {
        say_part!(terminal, "  senders:");
        for sender in senders {
            say_part!(terminal, " #{}", sender.id);
        }
        say!(terminal);
    }
    for irq in thread.mailbox.irqs(cpu) {
        say!(terminal, "  has a message of IRQ #{} to take", irq.id);
    }
    if let Some(caller) = thread.reply.caller(cpu) {
        say!(terminal, "  can answer thread #{}", caller.id);
    }
    registers(cpu, terminal, thread);
}

fn registers(cpu: &Cpu, terminal: &Terminal<'_>, thread: &Thread) {
    const PER_LINE: usize = 4;
    // Nobody reads what is there.
    let words = &cpu.kernel.scrap_utcb;
    (thread.state(cpu).context).save_exception(cpu.block(), words);
    for line in inspect::REGISTERS.chunks(PER_LINE) {
        for (name, word) in line {
            say_part!(terminal, "  {name:>6} {:016x}", words.word(*word));
        }
        say!(terminal);
    }
}

/// What a thread of this CPU does.
struct Doing<'a> {
    cpu: &'a Cpu,
    thread: &'a Thread,
}

impl fmt::Display for Doing<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cpu, thread) = (self.cpu, self.thread);
        let state = thread.state(cpu);
        match state.life.get() {
            Life::New => return out.write_str("new: has no instruction pointer"),
            Life::Dead => return out.write_str("dead"),
            Life::Alive => {}
        }
        match state.purpose.get() {
            Purpose::Syscall => {}
            Purpose::PageFault(_) => write!(
                out,
                "page fault at {:#x}: ",
                state.context.frame.fault_address()
            )?,
            Purpose::Exception => out.write_str("exception: ")?,
            Purpose::Upcall => out.write_str("vCPU upcall: ")?,
        }
        waiting(out, cpu, thread)?;
        if state.waiting.get() == Waiting::Nothing {
            out.write_str(runnable(cpu, thread))?;
            match state.deferred.get() {
                Deferred::Nothing => {}
                Deferred::Receive => out.write_str(", then receives")?,
                Deferred::Syscall => out.write_str(", in a system call that paused")?,
                Deferred::Exception => out.write_str(", then has an exception")?,
                Deferred::Upcall | Deferred::Entry => {
                    out.write_str(", then its vCPU is entered")?
                }
                Deferred::Gate => out.write_str(", then tries its gate again")?,
                Deferred::Fault => out.write_str(", then reports its fault")?,
            }
        }
        match state.stop.get() {
            None => {}
            Some(Stop::Triggered) => out.write_str(", exception triggered")?,
            Some(Stop::SyscallExecuted) => out.write_str(", alien's system call done")?,
        }
        if thread.timeout_links().is_linked() {
            write!(out, ", until {} µs", state.deadline.get())?;
        }
        Ok(())
    }
}

/// What it waits for, if it does.
fn waiting(out: &mut fmt::Formatter<'_>, cpu: &Cpu, thread: &Thread) -> fmt::Result {
    let state = thread.state(cpu);
    match state.waiting.get() {
        Waiting::Nothing => Ok(()),
        Waiting::Send => match state.receiver.get(cpu) {
            Some(receiver) => write!(out, "sends to thread #{}", receiver.id),
            None => out.write_str("sends"),
        },
        Waiting::Receive(Source::Anyone) => out.write_str("receives from anyone"),
        Waiting::Receive(Source::Nobody) => out.write_str("sleeps"),
        Waiting::Receive(Source::Thread(id)) if id == thread.id => out.write_str("sleeps"),
        Waiting::Receive(Source::Thread(id)) => write!(out, "receives from thread #{id}"),
        Waiting::Receive(Source::Irq(id)) => write!(out, "receives from IRQ #{id}"),
        Waiting::Remote => write!(out, "on its way to CPU {}", state.destination.get()),
        Waiting::Gate => match state.gate.header(cpu) {
            Some(gate) => write!(out, "waits until gate {} is bound", Label(gate)),
            None => out.write_str("waits for a gate"),
        },
        Waiting::Semaphore => match state.semaphore.header(cpu) {
            Some(semaphore) => write!(out, "waits for semaphore {}", Label(semaphore)),
            None => out.write_str("waits for a semaphore"),
        },
    }
}

fn runnable(cpu: &Cpu, thread: &Thread) -> &'static str {
    match () {
        () if thread.task(cpu).is_none() => "bound to no task",
        () if !thread.state(cpu).scheduled.get() => "not given to the scheduler",
        () if cpu.current.is(thread) => "runs",
        () => "ready",
    }
}

/// Where it runs, if that is another CPU than the one that it is on.
struct Residence<'a> {
    cpu: &'a Cpu,
    thread: &'a Thread,
}

impl fmt::Display for Residence<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.thread.lives_here(self.cpu) {
            return Ok(());
        }
        write!(out, ", at home on CPU {}", self.thread.residence())
    }
}

/// A slot number, or none.
struct Slot(u64);

impl fmt::Display for Slot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= l4_abi::capability::OBJECT_SPACE_SLOTS {
            out.write_str("none")
        } else {
            write!(out, "{:#x}", self.0)
        }
    }
}

/// What a message tag says.
struct Tag(MessageTag);

impl fmt::Display for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "protocol {}, {} words, {} items",
            self.0.label(),
            self.0.words(),
            self.0.items()
        )
    }
}
