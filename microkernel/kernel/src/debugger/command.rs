//! What can be typed at the prompt.

use core::str::SplitAsciiWhitespace;

use machine::lock::Lock;

use super::terminal::{Terminal, say};
use super::{backtrace, cpus, interrupts, mappings, memory, queues, registry, tasks, threads};
use crate::cpu::Cpu;

/// Where a command is carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// On the CPU that shows the prompt.
    Here,
    /// On every CPU, one after another: it shows what only its CPU may touch.
    EachCpu,
}

/// One command.
struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    scope: Scope,
    run: fn(&Cpu, &Terminal<'_>, &mut Arguments<'_>),
}

const COMMANDS: &[Command] = &[
    Command {
        name: "threads",
        arguments: "",
        about: "all threads: task, priority, what each does or waits for",
        scope: Scope::EachCpu,
        run: threads::list,
    },
    Command {
        name: "thread",
        arguments: "N",
        about: "one thread: registers, time, partners, who waits for it",
        scope: Scope::EachCpu,
        run: threads::show,
    },
    Command {
        name: "backtrace",
        arguments: "[N]",
        about: "who called whom, in thread N or in all",
        scope: Scope::EachCpu,
        run: backtrace::show,
    },
    Command {
        name: "tasks",
        arguments: "",
        about: "all tasks: threads, capabilities, memory, quota",
        scope: Scope::Here,
        run: tasks::list,
    },
    Command {
        name: "capabilities",
        arguments: "N",
        about: "the capabilities of task N",
        scope: Scope::Here,
        run: tasks::capabilities,
    },
    Command {
        name: "mappings",
        arguments: "N",
        about: "the memory of task N",
        scope: Scope::Here,
        run: mappings::list,
    },
    Command {
        name: "page",
        arguments: "N ADDRESS",
        about: "one page of task N: where it came from, and who has it from there",
        scope: Scope::Here,
        run: mappings::page,
    },
    Command {
        name: "objects",
        arguments: "",
        about: "all kernel objects",
        scope: Scope::Here,
        run: registry::list,
    },
    Command {
        name: "object",
        arguments: "N",
        about: "one object: its state, and who has capabilities to it",
        scope: Scope::EachCpu,
        run: registry::show,
    },
    Command {
        name: "ready",
        arguments: "",
        about: "who runs, and who could",
        scope: Scope::EachCpu,
        run: queues::ready,
    },
    Command {
        name: "timeouts",
        arguments: "",
        about: "who waits until when",
        scope: Scope::EachCpu,
        run: queues::timeouts,
    },
    Command {
        name: "irqs",
        arguments: "",
        about: "interrupt pins, and what is bound to them",
        scope: Scope::Here,
        run: interrupts::list,
    },
    Command {
        name: "memory",
        arguments: "",
        about: "kernel memory: frames, slabs, quotas",
        scope: Scope::Here,
        run: memory::list,
    },
    Command {
        name: "help",
        arguments: "",
        about: "this list",
        scope: Scope::Here,
        run: help,
    },
];

/// Carries out one command. A beginning of its name is enough.
pub(super) fn execute(cpu: &Cpu, line: &str) {
    let mut words = line.split_ascii_whitespace();
    let Some(name) = words.next() else {
        return;
    };
    let Some(command) = find(name) else {
        say!(Terminal::new(cpu), "`{name}`? `help` lists commands.");
        return;
    };
    run(cpu, line);
    if command.scope == Scope::EachCpu {
        cpus::hand_around(cpu, line);
    }
}

/// This CPU's part of a command.
pub(super) fn run(cpu: &Cpu, line: &str) {
    let mut words = line.split_ascii_whitespace();
    if let Some(command) = words.next().and_then(find) {
        (command.run)(cpu, &Terminal::new(cpu), &mut Arguments { words, command });
    }
}

fn find(name: &str) -> Option<&'static Command> {
    let exact = COMMANDS.iter().find(|command| command.name == name);
    exact.or_else(|| {
        COMMANDS
            .iter()
            .find(|command| command.name.starts_with(name))
    })
}

fn help(_cpu: &Cpu, terminal: &Terminal<'_>, _arguments: &mut Arguments<'_>) {
    for command in COMMANDS {
        say!(
            terminal,
            "  {:<13}{:<10} {}",
            command.name,
            command.arguments,
            command.about
        );
    }
    say!(terminal, "  {:<23} lets the system go on", "go");
    say!(
        terminal,
        "Beginnings of names will do. N is an object's number; 0x12 is a number too."
    );
}

/// What stands behind a command's name.
pub(super) struct Arguments<'a> {
    words: SplitAsciiWhitespace<'a>,
    command: &'static Command,
}

impl Arguments<'_> {
    /// True if there are no more.
    pub(super) fn is_empty(&self) -> bool {
        self.words.clone().next().is_none()
    }

    /// The next number. Without one, says what is expected.
    pub(super) fn number(&mut self, terminal: &Terminal<'_>) -> Option<u64> {
        let number = self.words.next().and_then(parse_number);
        if number.is_none() {
            say!(
                terminal,
                "It is `{} {}`.",
                self.command.name,
                self.command.arguments
            );
        }
        number
    }
}

fn parse_number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.strip_prefix('#').unwrap_or(word).parse().ok(),
    }
}

/// A line of text.
#[derive(Clone, Copy)]
pub(super) struct Line {
    bytes: [u8; Self::SIZE],
    length: usize,
}

impl Line {
    const SIZE: usize = 128;

    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; Self::SIZE],
            length: 0,
        }
    }

    /// What fits of `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut line = Self::new();
        bytes.iter().take_while(|&&byte| line.push(byte)).count();
        line
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// True if the line is this word.
    pub(super) fn is(&self, word: &str) -> bool {
        self.text().trim() == word
    }

    /// Adds a byte; false if there is no room.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        match self.bytes.get_mut(self.length) {
            Some(place) => *place = byte,
            None => return false,
        }
        self.length += 1;
        true
    }

    /// Takes the last byte away, if there is one.
    pub(super) fn pop(&mut self) -> bool {
        let before = self.length;
        self.length = before.saturating_sub(1);
        before > 0
    }

    pub(super) fn text(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

/// A line that one CPU gives to another.
pub(super) type SharedLine = Lock<Line>;
