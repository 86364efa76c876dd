//! Memory of tasks: what is mapped where, and where it came from.

use core::fmt;

use machine::page_table::{Access, Cache, Leaf};

use super::command::Arguments;
use super::registry::{Label, Objects};
use super::terminal::{Terminal, say, say_part};
use crate::cpu::Cpu;
use crate::mapping::inspect::{self, Relation};
use crate::mapping::memory_space::SpaceRef;
use crate::object::task::Task;

/// The memory of one task; neighbouring pages in one line.
pub(super) fn list(cpu: &Cpu, terminal: &Terminal<'_>, arguments: &mut Arguments<'_>) {
    let (Some(number), Some(objects)) = (arguments.number(terminal), Objects::of(cpu, terminal))
    else {
        return;
    };
    let Some((header, task)) = objects.get::<Task>(number, "task", terminal) else {
        return;
    };
    say!(terminal, "memory of task {}", Label(header));
    let space = task.memory.space();
    let mut run: Option<Run> = None;
    for (start, order) in space.pages() {
        let Some((leaf, _)) = space.page_at(start) else {
            continue;
        };
        let size = 1 << order;
        match &mut run {
            Some(run) if run.goes_on_with(start, leaf) => run.size += size,
            run => {
                let before = run.replace(Run { start, size, leaf });
                show_run(terminal, before);
            }
        }
    }
    show_run(terminal, run);
}

fn show_run(terminal: &Terminal<'_>, run: Option<Run>) {
    if let Some(run) = run {
        say!(
            terminal,
            "  {:#014x} - {:#014x} {:>8} KiB {} at {:#x}",
            run.start,
            run.start + (run.size - 1),
            run.size >> 10,
            Attributes(run.leaf),
            run.leaf.memory.as_u64()
        );
    }
}

/// Pages that follow each other here and in physical memory.
struct Run {
    start: u64,
    size: u64,
    leaf: Leaf,
}

impl Run {
    fn goes_on_with(&self, start: u64, leaf: Leaf) -> bool {
        self.start + self.size == start
            && self.leaf.memory.as_u64() + self.size == leaf.memory.as_u64()
            && self.leaf.attributes == leaf.attributes
    }
}

struct Attributes(Leaf);

impl fmt::Display for Attributes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cache = match self.0.attributes.cache {
            Cache::Cached => "",
            Cache::Uncached => " uncached",
            Cache::Bufferable => " write-combining",
        };
        write!(out, "{}{cache}", RightLetters(self.0))
    }
}

/// `rwx`, with `-` for what is missing.
struct RightLetters(Leaf);

impl fmt::Display for RightLetters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        use l4_abi::rights::MemoryRights;
        for (right, letter) in [
            (MemoryRights::READ, "r"),
            (MemoryRights::WRITE, "w"),
            (MemoryRights::EXECUTE, "x"),
        ] {
            let has = self.0.attributes.rights.contains(right);
            out.write_str(if has { letter } else { "-" })?;
        }
        Ok(())
    }
}

/// One page, and the pages that it was mapped from and to.
pub(super) fn page(cpu: &Cpu, terminal: &Terminal<'_>, arguments: &mut Arguments<'_>) {
    let (Some(number), Some(address)) = (arguments.number(terminal), arguments.number(terminal))
    else {
        return;
    };
    let Some(objects) = Objects::of(cpu, terminal) else {
        return;
    };
    let Some((header, task)) = objects.get::<Task>(number, "task", terminal) else {
        return;
    };
    let space = task.memory.space();
    let Some((leaf, order)) = space.page_at(address) else {
        say!(
            terminal,
            "Nothing is mapped there in task {}.",
            Label(header)
        );
        return;
    };
    let start = address & !((1 << order) - 1);
    say_part!(
        terminal,
        "task {}: {start:#x}, {} KiB {} at {:#x}",
        Label(header),
        1 << order >> 10,
        Attributes(leaf),
        leaf.memory.as_u64()
    );
    for (note, word) in [
        (Access::REFERENCED, ", accessed"),
        (Access::DIRTY, ", dirty"),
    ] {
        say_part!(
            terminal,
            "{}",
            if leaf.access.union(note) == leaf.access {
                word
            } else {
                ""
            }
        );
    }
    say!(terminal);
    let known = inspect::relatives(&cpu.kernel.mappings, space, address, |relative| {
        let (what, depth) = match relative.relation {
            Relation::Source(_) => ("from", 1),
            Relation::Descendant(depth) => ("to", depth),
        };
        let owner = owner(&objects, relative.space);
        say!(
            terminal,
            "{:width$}{what} {owner}: {:#x}, {} KiB",
            "",
            relative.address,
            1 << relative.order >> 10,
            width = 2 * depth,
        );
    });
    match known {
        Some(true) => {}
        Some(false) => say!(terminal, "  kernel-user memory: it is not mapped on"),
        None => say!(terminal, "  the mapping tree was just being changed"),
    }
}

/// The task that a space is part of.
fn owner<'a>(objects: &Objects<'a>, space: SpaceRef) -> Owner<'a> {
    let mut tasks = objects.of_type::<Task>();
    Owner(
        tasks
            .find(|(_, task)| task.memory.space() == space)
            .map(|(header, _)| Label(header)),
    )
}

struct Owner<'a>(Option<Label<'a>>);

impl fmt::Display for Owner<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(label) => write!(out, "task {label}"),
            None => out.write_str("a task that ends"),
        }
    }
}
