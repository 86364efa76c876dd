//! What the kernel keeps for each CPU.

use core::cell::Cell;

use machine::context::Context;
use machine::object::{Link, Queue};
use machine::per_cpu::PerCpu;
use machine::quiescence::Grace;

use crate::kernel::Kernel;
use crate::latency::{self, Latency};
use crate::object::burial::Burial;
use crate::object::ipc_gate::IpcGate;
use crate::object::task::LoadedSpace;
use crate::object::thread::Thread;
use crate::object::{Common, ObjectRef, RefSlot};
use crate::scheduling::{Budget, ReadyList, ReadyQueue, Timeouts};
use crate::trace;

/// A CPU, and the proof that code runs on it.
pub type Cpu = PerCpu<CpuLocal>;

/// The kernel's part of a CPU's data.
pub struct CpuLocal {
    /// What all CPUs share.
    pub kernel: &'static Kernel,
    /// The thread that runs when the kernel is left; none: the CPU idles.
    pub current: Link<Thread>,
    /// The thread whose registers are in the hardware.
    pub loaded: Link<Thread>,
    /// The thread whose FPU registers are in the hardware.
    pub fpu_owner: Link<Thread>,
    /// The address space in the hardware.
    pub space: LoadedSpace,
    /// The priority and time slice that `current` runs on.
    pub budget: Budget,
    /// Threads that could run, but for `current`.
    pub ready: ReadyQueue,
    /// When the timer fires, in µs, or earlier; `u64::MAX`: it stands still.
    pub timer_set: Cell<u64>,
    /// Threads that wait until some time.
    pub timeouts: Timeouts,
    /// How long interrupts stay off.
    pub latency: Latency,
    /// What this CPU did lately.
    pub trace: trace::Buffer,
    /// Stands in for the registers of no thread.
    pub no_context: Context,
    /// A thread became ready that goes before `current`, if they are equally
    /// urgent.
    pub preempt: Cell<bool>,
    /// An operation pauses, so that an interrupt can come.
    pub paused: Cell<bool>,
    /// An operation paused when the kernel was left last.
    pub unfinished: Cell<bool>,
    /// A thread that is ready may be more urgent than `current`.
    pub reschedule: Cell<bool>,
    /// Threads that leave for another CPU when the kernel is left.
    pub departures: ReadyList,
    /// It does what other CPUs ask: the current thread is in user mode.
    pub in_errands: Cell<bool>,
    /// The CPUs on which threads are being destroyed by this kernel entry, a
    /// bit each.
    pub ends_on: Cell<u64>,
    /// Objects that are dead and wait for other CPUs.
    pub burial: Cell<Option<Burial>>,
    /// What they wait for, while they do.
    pub grace: Cell<Option<Grace>>,
    /// Objects that have lost their last capability, to be destroyed before
    /// the kernel is left.
    pub doomed: Queue<Common>,
    /// The one of them whose destruction has paused.
    pub ending: Cell<Option<ObjectRef>>,
    /// A gate that has been bound, and for which some still wait.
    pub waking: RefSlot<IpcGate>,
    /// Threads that are dead, for whom others may wait: they are not ready.
    pub dying: ReadyList,
    /// Parts of long operations since an interrupt was looked for.
    parts: Cell<u32>,
}

impl CpuLocal {
    /// A CPU that idles.
    pub fn new(kernel: &'static Kernel, trace: trace::Buffer) -> Self {
        Self {
            kernel,
            current: Link::new(),
            loaded: Link::new(),
            fpu_owner: Link::new(),
            space: LoadedSpace::new(),
            budget: Budget::new(),
            ready: ReadyQueue::new(),
            timer_set: Cell::new(u64::MAX),
            timeouts: Timeouts::new(),
            latency: Latency::new(),
            trace,
            no_context: Context::new(),
            preempt: Cell::new(false),
            paused: Cell::new(false),
            unfinished: Cell::new(false),
            reschedule: Cell::new(false),
            departures: ReadyList::new(),
            in_errands: Cell::new(false),
            ends_on: Cell::new(0),
            burial: Cell::new(None),
            grace: Cell::new(None),
            doomed: Queue::new(),
            ending: Cell::new(None),
            waking: RefSlot::empty(),
            dying: ReadyList::new(),
            parts: Cell::new(0),
        }
    }
}

/// Parts of long operations that take less than the longest time for which
/// interrupts may be off: 20,000 instructions.
const PARTS: u32 = if cfg!(test) { 3 } else { 6 };

impl CpuLocal {
    /// True if an interrupt waits: whoever asks, in the middle of a long
    /// operation, lets it in.
    pub fn has_waiting_interrupt(cpu: &Cpu) -> bool {
        latency::look(cpu);
        cpu.kernel.platform.chip.is_pending()
    }

    /// A small part of a long operation is done. True if it has to pause, as
    /// an interrupt waits: that is looked for after some parts.
    pub fn must_pause(cpu: &Cpu) -> bool {
        let parts = cpu.parts.get() + 1;
        if parts < PARTS {
            cpu.parts.set(parts);
            return false;
        }
        cpu.parts.set(0);
        Self::has_waiting_interrupt(cpu)
    }
}
