//! Who called whom in a thread, along the frame pointers on its stack, in the
//! form that `xtask` finds functions and lines for.
//!
//! The kernel maps no memory of users. What is on the stack is found through
//! the task's page table, and read through a page that is mapped for each
//! word; what is not mapped there ends the list.

use machine::inspect;

use super::command::Arguments;
use super::registry::{Label, Objects};
use super::terminal::{Terminal, say, say_part};
use super::threads;
use crate::cpu::Cpu;
use crate::object::Header;
use crate::object::task::Task;
use crate::object::thread::Thread;

/// Callers that are shown, at most.
const MAX_CALLERS: usize = 24;

/// The callers of one thread, or of all of this CPU.
pub(super) fn show(cpu: &Cpu, terminal: &Terminal<'_>, arguments: &mut Arguments<'_>) {
    if !arguments.is_empty() {
        if let Some((header, thread)) = threads::own(cpu, terminal, arguments) {
            show_one(cpu, terminal, header, thread);
        }
        return;
    }
    let Some(objects) = Objects::of(cpu, terminal) else {
        return;
    };
    for (header, thread) in objects.of_type::<Thread>() {
        if thread.home() == cpu.id() {
            show_one(cpu, terminal, header, thread);
        }
    }
}

fn show_one(cpu: &Cpu, terminal: &Terminal<'_>, header: &Header, thread: &Thread) {
    let (Some(task), Some(task_header)) = (thread.task(cpu), thread.task_header(cpu)) else {
        say!(terminal, "thread {}: bound to no task", Label(header));
        return;
    };
    let debug = &task_header.common().debug;
    let mut program = debug.name();
    debug.images.each(|_, name| program = name);
    let context = &thread.state(cpu).context;
    say_part!(
        terminal,
        "thread {}: backtrace {program} {:#x}",
        Label(header),
        context.frame.ip()
    );
    let words = &cpu.kernel.scrap_utcb;
    context.save_exception(cpu.block(), words);
    let callers = Callers {
        frame: words.word(inspect::FRAME_POINTER),
        task,
    };
    for caller in callers.take(MAX_CALLERS) {
        say_part!(terminal, " {caller:#x}");
    }
    say!(terminal);
}

/// Return addresses, innermost first.
struct Callers<'a> {
    frame: u64,
    task: &'a Task,
}

impl Iterator for Callers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.frame == 0 || !self.frame.is_multiple_of(8) {
            return None;
        }
        let caller = read(self.task, self.frame.checked_add(8)?)?;
        let next = read(self.task, self.frame)?;
        // Stacks grow down: a caller's frame is above.
        self.frame = if next > self.frame { next } else { 0 };
        (caller != 0).then_some(caller)
    }
}

/// The word at an address of a task.
fn read(task: &Task, address: u64) -> Option<u64> {
    let (leaf, order) = task.memory.space().page_at(address)?;
    let offset = address & ((1 << order) - 1);
    inspect::read_word(leaf.memory.as_u64() + offset)
}
