//! What the attackers have at the start: the same slots and addresses in each of their tasks.
//! Anything may be elsewhere a few calls later.

/// Number of tasks, and of threads: thread `n` is in task `n % TASKS`.
pub const TASKS: u64 = 3;
/// Number of threads.
pub const THREADS: u64 = 5;
/// Number of IPC gates: to the first two threads, and to nobody.
pub const GATES: u64 = 3;
/// Number of IRQ senders.
pub const IRQS: u64 = 2;
/// Labels of the gates that are bound.
pub const GATE_LABELS: [u64; 2] = [0x40, 0x80];

/// Slots, by what is in them at the start.
pub mod slots {
    /// The first one.
    pub const FIRST: u64 = 0x100;
    /// The threads.
    pub const THREADS: u64 = FIRST;
    /// The tasks.
    pub const TASKS: u64 = THREADS + super::THREADS;
    /// The IPC gates.
    pub const GATES: u64 = TASKS + super::TASKS;
    /// The IRQ senders.
    pub const IRQS: u64 = GATES + super::GATES;
    /// The semaphore.
    pub const SEMAPHORE: u64 = IRQS + super::IRQS;
    /// The factory, with [`super::QUOTA`].
    pub const FACTORY: u64 = SEMAPHORE + 1;
    /// The scheduler.
    pub const SCHEDULER: u64 = FACTORY + 1;
    /// The interrupt controller, which is platform control too.
    pub const ICU: u64 = SCHEDULER + 1;
    /// The kernel's console.
    pub const LOG: u64 = ICU + 1;
    /// A virtual machine.
    pub const VM: u64 = LOG + 1;
    /// Nothing.
    pub const EMPTY: u64 = VM + 1;
    /// Behind the last one.
    pub const END: u64 = EMPTY + 8;
}

/// Kernel memory that the factory can spend, in bytes.
pub const QUOTA: u64 = 0x8_0000;

/// Where each task has its UTCBs: thread `n` the `n / TASKS`th.
pub const UTCBS: u64 = 0x10_0000;
/// Log₂ of the bytes for UTCBs.
pub const UTCBS_ORDER: u32 = 14;

/// Where threads that become vCPUs have their states, in the memory for UTCBs: one for each of the
/// numbers below [`VCPU_PLACES`].
pub const VCPUS: u64 = UTCBS + 0x3000;
/// Number of places for the states of vCPUs.
pub const VCPU_PLACES: u64 = 8;

/// Where threads that become extended vCPUs have their states, in the memory for UTCBs: a page for
/// each of the numbers below [`GUEST_PLACES`].
pub const GUESTS: u64 = UTCBS + 0x1000;
/// Number of places for the states of extended vCPUs.
pub const GUEST_PLACES: u64 = 2;

/// Where the tasks have memory: task `n` from `n` parts on, one part.
pub const MEMORY: u64 = 0x20_0000;
/// Log₂ of the bytes of a part.
pub const PART_ORDER: u32 = 19;
/// Behind the last part.
pub const MEMORY_END: u64 = MEMORY + (TASKS << PART_ORDER);

/// The highest priority that an attacker asks for.
pub const MAX_PRIORITY: u64 = 15;
