//! Tasks and their capabilities, and the programs in them.

use core::fmt::{self, Write};
use core::ptr;

use l4_abi::rights::CapabilityRights;
use machine::handle::{Handle, Link};
use machine::lock::Lock;

use super::command::Arguments;
use super::memory::Quota;
use super::registry::{Label, Name, Objects, Padded, kind};
use super::terminal::{Terminal, say};
use crate::capability::Entry;
use crate::cpu::Cpu;
use crate::kernel::Kernel;
use crate::memory::OutOfMemory;
use crate::memory::quota::QuotaRef;
use crate::object::Header;
use crate::object::factory::Factory;
use crate::object::ipc_gate::IpcGate;
use crate::object::task::Task;
use crate::object::thread::Thread;

/// All tasks.
pub(super) fn list(cpu: &Cpu, terminal: &Terminal<'_>, _arguments: &mut Arguments<'_>) {
    let Some(objects) = Objects::of(cpu, terminal) else {
        return;
    };
    say!(
        terminal,
        "{:>6} {:<16} {:>7} {:>5} {:>6}  kernel memory",
        "#",
        "task",
        "threads",
        "caps",
        "pages"
    );
    for (header, task) in objects.of_type::<Task>() {
        let debug = &header.common().debug;
        say!(
            terminal,
            "{:>6} {} {:>7} {:>5} {:>6}  {}",
            debug.number(),
            Padded(debug.name()),
            thread_count(cpu, &objects, task),
            entries(cpu, task).count(),
            task.memory.space().pages().count(),
            Quota(task.quota())
        );
    }
}

/// How many threads are bound to `task`.
fn thread_count(cpu: &Cpu, objects: &Objects<'_>, task: &Task) -> usize {
    let threads = objects.of_type::<Thread>();
    let tasks = threads.filter_map(|(_, thread)| thread.task(cpu));
    tasks.filter(|other| ptr::eq(*other, task)).count()
}

/// The capabilities of one task.
pub(super) fn capabilities(cpu: &Cpu, terminal: &Terminal<'_>, arguments: &mut Arguments<'_>) {
    let (Some(number), Some(objects)) = (arguments.number(terminal), Objects::of(cpu, terminal))
    else {
        return;
    };
    let Some((header, task)) = objects.get::<Task>(number, "task", terminal) else {
        return;
    };
    say!(terminal, "capabilities of task {}", Label(header));
    for (slot, entry) in entries(cpu, task) {
        say!(
            terminal,
            "  {slot:>5x} {} {:<10} {}",
            Rights(entry.rights),
            kind(entry.object),
            Label(entry.object)
        );
    }
}

/// What the slots of a task hold, but for the empty ones.
pub(super) fn entries<'cpu>(
    cpu: &'cpu Cpu,
    task: &'cpu Task,
) -> impl Iterator<Item = (u64, Entry<'cpu>)> {
    let slots = task.capabilities.range(0, u64::MAX);
    slots.filter_map(|(index, slot)| Some((index, slot.get(cpu)?)))
}

/// What is special of a task, gate or factory; false for others.
pub(super) fn show_one(
    cpu: &Cpu,
    terminal: &Terminal<'_>,
    objects: &Objects<'_>,
    header: &Header,
) -> bool {
    if let Some(task) = header.downcast::<Task>() {
        say!(
            terminal,
            "  {} threads, {} capabilities, {} pages; kernel memory {}",
            thread_count(cpu, objects, task),
            entries(cpu, task).count(),
            task.memory.space().pages().count(),
            Quota(task.quota())
        );
        header.common().debug.images.each(|base, name| {
            say!(terminal, "  program {name} at {base:#x}");
        });
    } else if let Some(gate) = header.downcast::<IpcGate>() {
        match gate.target(cpu) {
            Some((thread, label)) => say!(
                terminal,
                "  bound to thread #{}, label {label:#x}",
                thread.id
            ),
            None => say!(terminal, "  bound to no thread"),
        }
    } else if let Some(factory) = header.downcast::<Factory>() {
        say!(terminal, "  kernel memory {}", Quota(factory.quota()));
    } else {
        return false;
    }
    true
}

/// Rights as letters: read (always there), write, special, delete, those of
/// the object, counted.
pub(super) struct Rights(pub(super) CapabilityRights);

impl fmt::Display for Rights {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('R')?;
        for (right, letter) in [
            (CapabilityRights::WRITE, 'W'),
            (CapabilityRights::SPECIAL, 'S'),
            (CapabilityRights::DELETE, 'D'),
            (CapabilityRights::IPC_GATE_SERVER, 'g'),
            (CapabilityRights::COUNTED, 'c'),
        ] {
            out.write_char(if self.0.contains(right) { letter } else { '-' })?;
        }
        Ok(())
    }
}

/// The programs that were loaded into a task, the latest first.
pub(super) struct Images(Lock<State>);

struct State {
    first: Link<Image>,
    count: usize,
}

/// A program, in kernel memory that the task pays for.
struct Image {
    base: u64,
    name: Name,
    next: Link<Image>,
}

/// Programs that are kept of a task.
const MAX_IMAGES: usize = 16;

impl Images {
    pub(super) const fn new() -> Self {
        Self(Lock::new(State {
            first: Link::empty(),
            count: 0,
        }))
    }

    /// Notes a program.
    pub(super) fn add(
        &self,
        kernel: &Kernel,
        quota: QuotaRef,
        base: u64,
        name: Name,
    ) -> Result<(), OutOfMemory> {
        let mut state = self.0.lock();
        if state.count == MAX_IMAGES {
            return Err(OutOfMemory);
        }
        let storage = kernel.heap.allocate_charged(quota, size_of::<Image>())?;
        let image = Image {
            base,
            name,
            next: Link::empty(),
        };
        image.next.set(state.first.get());
        state.first.set(Some(Handle::new(storage, image)));
        state.count += 1;
        Ok(())
    }

    /// Shows each.
    pub(super) fn each(&self, mut show: impl FnMut(u64, Name)) {
        let state = self.0.lock();
        let mut next = state.first.get();
        while let Some(image) = next {
            show(image.base, image.name);
            next = image.next.get();
        }
    }

    /// Gives the memory back.
    pub(super) fn release(&self, kernel: &Kernel, quota: QuotaRef) {
        let state = self.0.lock();
        while let Some(image) = state.first.get() {
            state.first.set(image.next.get());
            let storage = Handle::into_storage(image, size_of::<Image>());
            kernel.heap.free_charged(quota, storage);
        }
    }
}
