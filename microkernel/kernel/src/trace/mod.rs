//! Trace buffers: what each CPU did lately, for who wants to see it as a
//! picture (`xtask trace`). Only in kernels with the feature `trace`; the
//! others have [`absent.rs`](self) in its place, and no instruction of it.
//!
//! A CPU writes to its own buffer only, in a layout that `l4_abi::trace`
//! describes. The tool finds the buffers in the machine's memory by the lines
//! `@brio trace ADDRESS BYTES` that the kernel prints at the start.

use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use l4_abi::boot::options::Flags;
use l4_abi::flexpage::Flexpage;
use l4_abi::message_tag::MessageTag;
use l4_abi::trace::{self as layout, ENTRY_SIZE, ENTRY_WORDS, Kind, MAGIC, NAMES, NUMBER_SHIFT};
use machine::event::{Fault, Source};
use machine::inspect;
use machine::memory::SharedMemory;
use machine::options::Options;

use crate::cpu::Cpu;
use crate::kernel::Kernel;
use crate::memory::{KernelHeap, OutOfMemory};
use crate::object::thread::Thread;

/// Entries of a buffer unless the options say otherwise.
const DEFAULT_ENTRIES: u32 = if cfg!(test) { 1 << 6 } else { 1 << 15 };
/// Entries at least, and at most: 32 MiB.
const ENTRIES: core::ops::RangeInclusive<u32> = 16..=1 << 20;

type Entry = [AtomicU64; ENTRY_WORDS];

/// A trace buffer.
pub struct Buffer {
    memory: SharedMemory,
    /// Entries behind the header.
    capacity: u64,
    /// Entries that were written.
    written: AtomicU64,
}

impl Buffer {
    /// An empty buffer of as many entries as the options want.
    pub fn new(heap: &KernelHeap, options: &Options) -> Result<Self, OutOfMemory> {
        let flags = Flags::from_bits_retain(options.flags);
        let wanted = options.trace_entries;
        let entries = match flags.contains(Flags::TRACE_ENTRIES) {
            true => wanted.clamp(*ENTRIES.start(), *ENTRIES.end()),
            false => DEFAULT_ENTRIES,
        };
        let mut storage = heap.allocate(entries.next_power_of_two() as usize * ENTRY_SIZE)?;
        storage.zero();
        let memory = SharedMemory::new(storage);
        Ok(Self {
            capacity: (memory.size() / ENTRY_SIZE - 1) as u64,
            memory,
            written: AtomicU64::new(0),
        })
    }

    fn set_entry(&self, index: u64, words: [u64; ENTRY_WORDS]) {
        if let Some(entry) = self.memory.get::<Entry>(index as usize * ENTRY_SIZE) {
            for (place, word) in entry.iter().zip(words) {
                place.store(word, Relaxed);
            }
        }
    }

    fn write(&self, kind: Kind, number: u64, values: [u64; 2]) {
        // Only one CPU writes.
        let written = self.written.load(Relaxed);
        let kind = kind as u64 | number << NUMBER_SHIFT;
        let [first, second] = values;
        let entry = [inspect::ticks(), kind, first, second];
        self.set_entry(written % self.capacity + 1, entry);
        self.written.store(written + 1, Relaxed);
        if let Some(header) = self.memory.get::<Entry>(0) {
            header[2].store(written + 1, Relaxed);
        }
    }

    /// Writes the header, and tells where the buffer is.
    fn announce(&self, kernel: &Kernel, owner: u64) {
        let written = self.written.load(Relaxed);
        let frequency = inspect::ticks_per_second(&kernel.platform.timer);
        self.set_entry(0, [MAGIC, owner, written, frequency]);
        let physical = kernel.heap.window().physical(self.memory.address());
        // Nothing can be done about a console that fails.
        let _ = write!(
            &kernel.platform.console,
            "@brio trace {:#x} {:#x}\r\n",
            physical.as_u64(),
            self.memory.size()
        );
    }
}

/// Names that objects got, each kept until the buffer is full.
pub(crate) fn name(kernel: &Kernel, number: u64, name: [u64; 2]) {
    let names = &kernel.debugger.trace_names;
    let written = names.written.fetch_add(1, Relaxed);
    if written >= names.capacity {
        return;
    }
    let kind = Kind::Name as u64 | number << NUMBER_SHIFT;
    let [first, second] = name;
    names.set_entry(written + 1, [inspect::ticks(), kind, first, second]);
    if let Some(header) = names.memory.get::<Entry>(0) {
        header[2].fetch_max(written + 1, Relaxed);
    }
}

/// This CPU starts: tells where its buffer is; the boot CPU also of the names.
pub fn announce(cpu: &Cpu) {
    cpu.trace.announce(cpu.kernel, u64::from(cpu.id()));
    if cpu.id() == 0 {
        cpu.kernel.debugger.trace_names.announce(cpu.kernel, NAMES);
    }
}

/// Writes an entry about the current thread.
fn of_current(cpu: &Cpu, kind: Kind, values: [u64; 2]) {
    let current = cpu.current.get(cpu).map_or(0, |thread| thread.id);
    cpu.trace.write(kind, current, values);
}

/// The current thread made a system call.
pub fn syscall(cpu: &Cpu) {
    if let Some(thread) = cpu.current.get(cpu) {
        let frame = &thread.state(cpu).context.frame;
        of_current(cpu, Kind::Syscall, [frame.tag(), frame.destination()]);
    }
}

/// The current thread made a fault.
pub fn fault(cpu: &Cpu, fault: &Fault) {
    let Some(thread) = cpu.current.get(cpu) else {
        return;
    };
    let frame = &thread.state(cpu).context.frame;
    match *fault {
        Fault::Page { address, .. } => {
            of_current(cpu, Kind::PageFault, [address, frame.ip()]);
        }
        Fault::FpuUnavailable | Fault::Port { .. } | Fault::Exception => {
            of_current(cpu, Kind::Exception, [frame.error(), frame.ip()]);
        }
    }
}

/// An interrupt came.
pub fn interrupt(cpu: &Cpu, source: Source) {
    let source = match source {
        Source::Timer => layout::Source::Timer as u64,
        Source::Ipi => layout::Source::Ipi as u64,
        Source::Pin(pin) => layout::PIN + u64::from(pin),
        Source::Virtual(number) => layout::PIN + u64::from(number),
        Source::Spurious => layout::Source::Spurious as u64,
    };
    of_current(cpu, Kind::Interrupt, [source, 0]);
}

/// The kernel is left.
pub fn leave(cpu: &Cpu) {
    of_current(cpu, Kind::Leave, [0, 0]);
}

/// `thread` runs from now on; none: the CPU idles.
pub fn switch(cpu: &Cpu, thread: Option<&Thread>) {
    let task = thread.and_then(|thread| thread.task_header(cpu));
    let task = task.map_or(0, |task| task.common().debug.number());
    let number = thread.map_or(0, |thread| thread.id);
    cpu.trace.write(Kind::Switch, number, [task, 0]);
}

/// A message goes from one thread to another.
pub fn message(cpu: &Cpu, sender: &Thread, receiver: &Thread, tag: MessageTag) {
    let values = [receiver.id, tag.raw()];
    cpu.trace.write(Kind::Message, sender.id, values);
}

/// A message of an interrupt goes to a thread.
pub fn irq_message(cpu: &Cpu, receiver: &Thread, irq: u64, label: u64) {
    cpu.trace.write(Kind::IrqMessage, receiver.id, [irq, label]);
}

/// The current thread's operation maps something.
pub fn map(cpu: &Cpu, flexpage: Flexpage, window: Flexpage) {
    of_current(cpu, Kind::Map, [flexpage.raw(), window.raw()]);
}

/// The current thread's operation unmaps something.
pub fn unmap(cpu: &Cpu, flexpage: Flexpage) {
    of_current(cpu, Kind::Unmap, [flexpage.raw(), 0]);
}

#[cfg(test)]
mod tests;
