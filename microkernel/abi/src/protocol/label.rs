//! Protocol labels: what the label of a request's tag says.
//!
//! Source: `abi/01` (protocol labels), `abi/08` §2.

/// No protocol; platform control and some servers use it.
pub const NONE: i64 = 0;
/// Interrupts, semaphores and interrupt controllers.
pub const IRQ: i64 = -1;
/// Page fault, from the kernel to a pager.
pub const PAGE_FAULT: i64 = -2;
/// Exception, from the kernel to an exception handler.
pub const EXCEPTION: i64 = -5;
/// sigma0.
pub const SIGMA0: i64 = -6;
/// I/O port fault (x86).
pub const IO_PAGE_FAULT: i64 = -8;
/// Reserved for thread groups; nothing implements it.
pub const THREAD_GROUP: i64 = -9;
/// Kernel object: gate control and interrupt binding; creates gates.
pub const KERNEL_OBJECT: i64 = -10;
/// Task, VM and DMA space.
pub const TASK: i64 = -11;
/// Thread.
pub const THREAD: i64 = -12;
/// Log.
pub const LOG: i64 = -13;
/// Scheduler.
pub const SCHEDULER: i64 = -14;
/// Factory.
pub const FACTORY: i64 = -15;
/// Creates VM objects, which then speak [`TASK`].
pub const VM: i64 = -16;
/// Creates DMA spaces, which then speak [`TASK`].
pub const DMA_SPACE_KERNEL: i64 = -17;
/// Interrupt sender.
pub const IRQ_SENDER: i64 = -18;
/// Semaphore.
pub const SEMAPHORE: i64 = -20;
/// Which interfaces a server has.
pub const META: i64 = -21;
/// I/O memory management unit.
pub const IOMMU: i64 = -22;
/// Kernel debugger.
pub const DEBUGGER: i64 = -23;
/// Secure monitor calls (ARM).
pub const SMC: i64 = -24;
/// vCPU context (VMX).
pub const VCPU_CONTEXT: i64 = -25;

/// Dataspace.
pub const DATASPACE: i64 = 0x4000;
/// Namespace.
pub const NAMESPACE: i64 = 0x4001;
/// Parent.
pub const PARENT: i64 = 0x4002;
/// Frame buffer.
pub const GOOS: i64 = 0x4003;
/// Region map.
pub const REGION_MAP: i64 = 0x4005;
/// Event.
pub const EVENT: i64 = 0x4006;
/// Inhibitor.
pub const INHIBITOR: i64 = 0x4007;
/// DMA space of a server.
pub const DMA_SPACE: i64 = 0x4008;
/// Device registers by message.
pub const MMIO_SPACE: i64 = 0x4009;
/// In-task service.
pub const ITAS: i64 = 0x400a;
/// Memory allocator.
pub const MEM_ALLOC: i64 = 0x400b;
/// Access to a program's memory, for debuggers.
pub const REMOTE_ACCESS: i64 = 0x400c;
/// Debugging of servers.
pub const DEBUG: i64 = -0x8000;
