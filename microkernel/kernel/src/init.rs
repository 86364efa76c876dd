//! The start of the kernel, as a readable list (abi/07 §2).

use core::fmt::Write;
use core::mem::offset_of;
use core::sync::atomic::AtomicU64;

use l4_abi::capability::{SIGMA0_ROOT_TASK_LABEL, slot};
use l4_abi::kip::{Header, MemoryDescriptor, MemoryType, reserved};
use l4_abi::rights::CapabilityRights;
use machine::boot::{Boot, CPU_STORAGE};
use machine::kernel_memory::{self, Descriptors};
use machine::lock::Lock;
use machine::object::Reaper;
use machine::options::Options;
use machine::paging;
use machine::per_cpu::PerCpu;
use machine::quiescence::{MAX_CPUS, Quiescence};
use machine::tlb::Tlbs;
use machine::utcb::Utcb;

use crate::cpu::{Cpu, CpuLocal};
use crate::debugger::{self, Debugger};
use crate::kernel::{Kernel, PIN_SLOTS};
use crate::mapping::Mappings;
use crate::memory::quota::QuotaRef;
use crate::memory::{KernelHeap, OutOfMemory};
use crate::object::factory::Factory;
use crate::object::icu::{Icu, PinSlot};
use crate::object::ipc_gate::IpcGate;
use crate::object::scheduler::Scheduler;
use crate::object::task::{MemoryKind, Task};
use crate::object::thread::Thread;
use crate::object::vlog::{Output, Vlog};
use crate::object::{Header as ObjectHeader, Kind, ObjectRef, Ref, create};
use crate::remote::Reachable;
use crate::{scheduling, trace};

/// The least kernel memory, in bytes.
const MIN_KERNEL_MEMORY: u64 = 16 << 20;
/// The share of RAM that is kernel memory unless the options say otherwise.
const KERNEL_MEMORY_SHARE: u64 = 16;
/// The scheduler's granularity with one-shot timers, in µs.
const GRANULARITY: u32 = 1;

/// Starts the kernel on the boot CPU: everything up to the first return to
/// user mode.
pub fn start(boot: &mut Boot) -> ! {
    let cpu = match prepare(boot) {
        Ok(cpu) => cpu,
        Err(OutOfMemory) => panic!("out of kernel memory at boot: give the machine more memory"),
    };
    debugger::started(cpu);
    scheduling::leave(cpu);
    boot.enter(cpu.block())
}

/// Everything up to the point at which sigma0 and the root task are ready.
pub(crate) fn prepare(boot: &mut Boot) -> Result<&'static mut Cpu, OutOfMemory> {
    let kernel = make_kernel(boot)?;
    let quota = kernel.heap.new_root_quota()?;
    let options = &boot.options();
    let cpu = new_cpu(kernel, 0, options)?;
    kernel.quiescence.join(cpu.id());
    trace::announce(cpu);
    describe(boot, kernel);
    if let Some(pin) = kernel.platform.console.interrupt_pin() {
        kernel.platform.console.enable_receive_interrupt();
        kernel
            .platform
            .chip
            .route(pin, kernel.hardware_id(cpu.id()));
        kernel.platform.chip.unmask(pin);
    }
    start_other_cpus(boot, kernel);
    start_initial_tasks(boot, cpu, quota)?;
    cpu.reschedule.set(true);
    Ok(cpu)
}

/// Lets the other CPUs run, one after the other. Before there are threads: a
/// CPU that does not start is left out.
fn start_other_cpus(boot: &mut Boot, kernel: &'static Kernel) {
    for id in 1..kernel.platform.cpus().len().min(MAX_CPUS) as u32 {
        let options = &boot.options();
        let started = new_cpu(kernel, id, options).and_then(|cpu| {
            let storage = kernel.heap.allocate(CPU_STORAGE)?;
            Ok(boot.start_cpu(&kernel.platform, cpu, storage))
        });
        if started != Ok(true) {
            // Nothing can be done about a console that fails.
            let _ = write!(
                &kernel.platform.console,
                "kernel: CPU {id} does not start\r\n"
            );
        }
    }
}

/// The first thing that another CPU does.
pub(crate) fn start_cpu(cpu: &mut Cpu) {
    cpu.kernel.platform.initialise_cpu();
    cpu.kernel.quiescence.join(cpu.id());
    trace::announce(cpu);
}

/// A CPU's data are large: they are on the stack here, and nowhere else.
#[inline(never)]
fn new_cpu(
    kernel: &'static Kernel,
    id: u32,
    options: &Options,
) -> Result<&'static mut Cpu, OutOfMemory> {
    let storage = kernel.heap.allocate(size_of::<Cpu>())?;
    let trace = trace::Buffer::new(&kernel.heap, options)?;
    let local = CpuLocal::new(kernel, trace);
    Ok(storage.into_value(PerCpu::new(id, local)))
}

/// So is what all share.
#[inline(never)]
fn make_kernel(boot: &mut Boot) -> Result<&'static Kernel, OutOfMemory> {
    let memory = kernel_memory::take(boot, wanted_memory(boot)).ok_or(OutOfMemory)?;
    let heap = KernelHeap::new(memory)?;
    let platform = boot.platform();
    let storage = heap.allocate(size_of::<Kernel>())?;
    let pins = heap.allocate(size_of::<[PinSlot; PIN_SLOTS]>())?;
    let reachable = heap.allocate(size_of::<[Reachable; MAX_CPUS]>())?;
    let debugger = Debugger::new(&heap, &boot.options())?;
    let kernel = Kernel {
        mappings: Mappings::new(),
        tlbs: Tlbs::new(),
        heap,
        reaper: Reaper::new(),
        quiescence: Quiescence::new(),
        reachable: reachable.into_slice(|_| Reachable::new()),
        platform,
        pins: pins.into_slice(|_| PinSlot::empty()),
        pin_lock: Lock::new(()),
        output: Lock::new(Output::new()),
        scrap_utcb: Utcb::new(),
        last_id: AtomicU64::new(0),
        debugger,
    };
    Ok(storage.into_value(kernel))
}

fn wanted_memory(boot: &Boot) -> u64 {
    let options = boot.options();
    let flags = options.flags;
    if flags & l4_abi::boot::options::Flags::KERNEL_MEMORY.bits() != 0 {
        let kib = u64::from(options.kernel_memory_kib);
        return (kib << 10).max(MIN_KERNEL_MEMORY);
    }
    let share = Descriptors::of(boot.kip()).memory_size() / KERNEL_MEMORY_SHARE;
    share.max(MIN_KERNEL_MEMORY)
}

/// Fills the kernel's part of the KIP (abi/04).
fn describe(boot: &Boot, kernel: &Kernel) {
    let kip = boot.kip();
    let descriptors = Descriptors::of(kip);
    let user_end = paging::user_end();
    let mut fits = descriptors.add(MemoryDescriptor::virtual_range(
        MemoryType::Conventional,
        0,
        user_end,
    ));
    for (start, last) in paging::UNUSABLE_ADDRESSES {
        fits &= descriptors.add(MemoryDescriptor::virtual_range(
            MemoryType::Reserved,
            *start,
            *last,
        ));
    }
    for &(start, last) in kernel.platform.devices() {
        fits &= descriptors.add(MemoryDescriptor::physical(
            MemoryType::Reserved,
            reserved::MMIO,
            start,
            last,
        ));
    }
    assert!(fits, "the memory descriptors of the KIP are full");
    kip.set_half(offset_of!(Header<3>, scheduler_granularity), GRANULARITY);
    kip.set_half(offset_of!(Header<3>, is_multiprocessor), 1);
    kernel.platform.timer.fill_kip(kip);
}

/// Makes sigma0 and the root task, and what they are given (abi/00).
fn start_initial_tasks(boot: &Boot, cpu: &Cpu, quota: QuotaRef) -> Result<(), OutOfMemory> {
    let kip = boot.kip();
    let factory = create(cpu, quota, Kind::Factory, Factory::new(quota))?;
    let vlog = create(cpu, quota, Kind::Vlog, Vlog::new())?;
    let icu = create(cpu, quota, Kind::Icu, Icu)?;
    let scheduler = create(cpu, quota, Kind::Scheduler, Scheduler)?;
    let objects = [
        (slot::FACTORY, Some(factory.into_any())),
        (slot::LOG, Some(vlog.into_any())),
        (slot::ICU, Some(icu.into_any())),
        (slot::SCHEDULER, Some(scheduler.into_any())),
        // In kernels that have it.
        (slot::DEBUGGER, debugger::create_object(cpu, quota)?),
    ];
    let sigma0_entry = kip.word(offset_of!(Header<3>, sigma0_entry));
    let root_entry = kip.word(offset_of!(Header<3>, root_task_entry));
    let kip_address = boot.kip_physical().as_u64();
    let sigma0 = initial_task(cpu, quota, &objects, MemoryKind::Physical, "sigma0")?;
    if root_entry != 0 {
        let root = initial_task(cpu, quota, &objects, MemoryKind::Task, "root")?;
        let gate = IpcGate::new(Some(sigma0.thread.clone()), SIGMA0_ROOT_TASK_LABEL);
        let gate = create(cpu, quota, Kind::IpcGate, gate)?;
        let rights = CapabilityRights::FULL.difference(CapabilityRights::IPC_GATE_SERVER);
        insert(cpu, &root.task, slot::PAGER, gate.header(), rights)?;
        root.thread.start_initial(cpu, root_entry, 0, slot::PAGER);
    }
    sigma0
        .thread
        .start_initial(cpu, sigma0_entry, kip_address, 0);
    Ok(())
}

/// A task that the kernel starts itself, with its thread.
struct Started {
    task: Ref<Task>,
    thread: Ref<Thread>,
}

fn initial_task(
    cpu: &Cpu,
    quota: QuotaRef,
    objects: &[(u64, Option<ObjectRef>)],
    kind: MemoryKind,
    name: &str,
) -> Result<Started, OutOfMemory> {
    let task = Task::create_initial(cpu, quota, kind)?;
    let thread = Thread::create(cpu, quota, cpu.id())?;
    thread.bind_initial(cpu, &task)?;
    let full = CapabilityRights::FULL;
    insert(cpu, &task, slot::TASK, task.header(), full)?;
    insert(cpu, &task, slot::THREAD, thread.header(), full)?;
    for (index, object) in objects {
        if let Some(object) = object {
            insert(cpu, &task, *index, object, full)?;
        }
    }
    debugger::name(cpu.kernel, &task, name);
    debugger::name(cpu.kernel, &thread, name);
    Ok(Started { task, thread })
}

fn insert(
    cpu: &Cpu,
    task: &Task,
    index: u64,
    object: &ObjectHeader,
    rights: CapabilityRights,
) -> Result<(), OutOfMemory> {
    task.make_slot(cpu, index)?.fill(object, rights);
    Ok(())
}
