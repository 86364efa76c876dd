//! All kernel objects, with their numbers and names.
//!
//! Every object is on one list from when it is made until its memory is
//! freed. Its number is unique for ever; threads and IRQ senders have theirs
//! anyhow. A name takes no memory of its own: it is in the object, for which
//! its quota has paid.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use machine::list::{Links, List, Node};
use machine::lock::{Guard, Lock};

use super::command::Arguments;
use super::memory::Quota;
use super::terminal::{Terminal, say};
use super::{interrupts, tasks, threads};
use crate::cpu::Cpu;
use crate::kernel::Kernel;
use crate::object::irq::Irq;
use crate::object::thread::Thread;
use crate::object::{Header, Kind, Ref};
use crate::trace;

/// Bytes of a name that are kept, as the reference keeps.
pub(super) const NAME_SIZE: usize = 16;

/// What the debugger keeps of an object.
pub struct Registered {
    links: Links<Header>,
    number: AtomicU64,
    name: [AtomicU64; NAME_SIZE / 8],
    /// Of a task: the programs that were loaded there.
    pub(super) images: tasks::Images,
}

impl Registered {
    /// Not noted yet, without a name.
    pub const fn new() -> Self {
        Self {
            links: Links::new(),
            number: AtomicU64::new(0),
            name: [const { AtomicU64::new(0) }; NAME_SIZE / 8],
            images: tasks::Images::new(),
        }
    }

    /// The object's number.
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Relaxed)
    }

    pub(super) fn name(&self) -> Name {
        Name([0, 1].map(|index: usize| self.name[index].load(Relaxed)))
    }

    pub(super) fn set_name(&self, kernel: &Kernel, name: Name) {
        trace::name(kernel, self.number(), name.0);
        for (place, word) in self.name.iter().zip(name.0) {
            place.store(word, Relaxed);
        }
    }
}

/// Chooses the node by which an object is on the list of all.
struct All;

impl Node<Header> for All {
    fn links(item: &Header) -> &Links<Header> {
        &item.common().debug.links
    }
}

/// The list of all objects.
pub(super) struct Registry(Lock<List<Header, All>>);

impl Registry {
    pub(super) const fn new() -> Self {
        Self(Lock::new(List::new()))
    }
}

/// A new object.
pub fn register(kernel: &Kernel, object: &Header) {
    let own = object.downcast::<Thread>().map(|thread| thread.id);
    let own = own.or_else(|| object.downcast::<Irq>().map(|irq| irq.id));
    let number = own.unwrap_or_else(|| kernel.new_id());
    object.common().debug.number.store(number, Relaxed);
    kernel.debugger.registry.0.lock().push_back(object);
}

/// The object's memory is about to be freed.
pub fn forget(kernel: &Kernel, object: &Header) {
    kernel.debugger.registry.0.lock().remove(object);
    object
        .common()
        .debug
        .images
        .release(kernel, object.common().quota);
}

/// Names an object that the kernel makes itself.
pub fn name<T>(kernel: &Kernel, object: &Ref<T>, name: &str) {
    let name = Name::of(name.bytes());
    object.header().common().debug.set_name(kernel, name);
}

/// All objects, none of which goes while this is held.
pub(super) struct Objects<'cpu> {
    cpu: &'cpu Cpu,
    list: Guard<'cpu, List<Header, All>>,
}

impl<'cpu> Objects<'cpu> {
    /// Says so if a kernel that panicked was just changing the list.
    pub(super) fn of(cpu: &'cpu Cpu, terminal: &Terminal<'_>) -> Option<Self> {
        let list = cpu.kernel.debugger.registry.0.try_lock();
        if list.is_none() {
            say!(terminal, "The list of all objects was just being changed.");
        }
        Some(Self { cpu, list: list? })
    }

    /// As [`of`](Self::of), waiting for the list, which is changed in no time.
    pub(super) fn wait(cpu: &'cpu Cpu) -> Self {
        let list = cpu.kernel.debugger.registry.0.lock();
        Self { cpu, list }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'cpu Header> {
        self.list.iter(self.cpu)
    }

    /// Those of type `T`.
    pub(super) fn of_type<T: 'static>(&self) -> impl Iterator<Item = (&'cpu Header, &'cpu T)> {
        self.iter()
            .filter_map(|header| Some((header, header.downcast()?)))
    }

    pub(super) fn find(&self, number: u64) -> Option<&'cpu Header> {
        self.iter()
            .find(|header| header.common().debug.number() == number)
    }

    /// The object of type `T` with this number. Says so if there is none.
    pub(super) fn get<T: 'static>(
        &self,
        number: u64,
        what: &str,
        terminal: &Terminal<'_>,
    ) -> Option<(&'cpu Header, &'cpu T)> {
        let found = self
            .find(number)
            .and_then(|header| Some((header, header.downcast()?)));
        if found.is_none() {
            say!(terminal, "There is no {what} #{number}.");
        }
        found
    }
}

/// Shows number and name of an object.
pub(super) struct Label<'a>(pub(super) &'a Header);

impl fmt::Display for Label<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let debug = &self.0.common().debug;
        let name = debug.name();
        match name.is_empty() {
            true => write!(out, "#{}", debug.number()),
            false => write!(out, "#{} {name}", debug.number()),
        }
    }
}

/// A name, in words as messages have it; all zeros: none. Shown with question
/// marks for what no name should have.
#[derive(Clone, Copy)]
pub(super) struct Name(pub(super) [u64; NAME_SIZE / 8]);

impl Name {
    /// What stands before the first zero byte.
    pub(super) fn of(bytes: impl Iterator<Item = u8>) -> Self {
        let mut words = [0; NAME_SIZE / 8];
        let bytes = bytes.take(NAME_SIZE).take_while(|&byte| byte != 0);
        for (index, byte) in bytes.enumerate() {
            words[index / 8] |= u64::from(byte) << (index % 8 * 8);
        }
        Self(words)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0[0] == 0
    }

    fn bytes(self) -> impl Iterator<Item = u8> {
        let bytes = self.0.into_iter().flat_map(u64::to_le_bytes);
        bytes.take_while(|&byte| byte != 0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.bytes() {
            out.write_char(if byte.is_ascii_graphic() {
                byte.into()
            } else {
                '?'
            })?;
        }
        Ok(())
    }
}

/// All objects.
pub(super) fn list(cpu: &Cpu, terminal: &Terminal<'_>, _arguments: &mut Arguments<'_>) {
    let Some(objects) = Objects::of(cpu, terminal) else {
        return;
    };
    say!(terminal, "{:>6} {:<10} {:<16}  caps", "#", "kind", "name");
    for header in objects.iter() {
        let common = header.common();
        say!(
            terminal,
            "{:>6} {:<10} {:<16}  {}{}",
            common.debug.number(),
            kind(header),
            Padded(common.debug.name()),
            common.counted(),
            if common.is_doomed() { "  ends" } else { "" }
        );
    }
}

/// One object.
pub(super) fn show(cpu: &Cpu, terminal: &Terminal<'_>, arguments: &mut Arguments<'_>) {
    let (Some(number), Some(objects)) = (arguments.number(terminal), Objects::of(cpu, terminal))
    else {
        return;
    };
    let found = objects.find(number);
    if let Some(thread) = found.and_then(|header| header.downcast::<Thread>()) {
        if thread.home() == cpu.id() {
            threads::show_one(cpu, terminal, found, thread);
            show_holders(cpu, terminal, &objects, found);
        }
        return;
    }
    if !super::cpus::is_leader(cpu) {
        return;
    }
    let Some(header) = found else {
        say!(terminal, "There is no object #{number}.");
        return;
    };
    say!(terminal, "{} {}", kind(header), Label(header));
    say!(terminal, "  paid for by: {}", Quota(header.common().quota));
    let _ = tasks::show_one(cpu, terminal, &objects, header)
        || interrupts::show_one(cpu, terminal, header);
    show_holders(cpu, terminal, &objects, found);
}

/// Who has capabilities to the object.
fn show_holders(
    cpu: &Cpu,
    terminal: &Terminal<'_>,
    objects: &Objects<'_>,
    object: Option<&Header>,
) {
    let Some(object) = object else { return };
    for (task_header, task) in objects.of_type() {
        for (slot, entry) in tasks::entries(cpu, task) {
            if entry.object.is(object) {
                let rights = tasks::Rights(entry.rights);
                let task = Label(task_header);
                say!(terminal, "  capability {slot:#x} of task {task}: {rights}");
            }
        }
    }
}

/// What an object is called that is of this kind.
pub(super) fn kind(header: &Header) -> &'static str {
    match header.common().kind {
        Kind::Task => "task",
        Kind::Thread => "thread",
        Kind::IpcGate => "gate",
        Kind::Irq => "irq",
        Kind::Semaphore => "semaphore",
        Kind::Factory => "factory",
        Kind::Icu => "icu",
        Kind::Scheduler => "scheduler",
        Kind::Vlog => "log",
        Kind::Debugger => "debugger",
    }
}

/// As wide as the longest name.
pub(super) struct Padded(pub(super) Name);

impl fmt::Display for Padded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)?;
        let missing = NAME_SIZE.saturating_sub(self.0.bytes().count());
        write!(out, "{:missing$}", "")
    }
}
