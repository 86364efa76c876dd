//! What the machine tells the kernel: faults, interrupts, answers.

/// Why the current thread was stopped. The trap number, error code and fault
/// address are in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum Fault {
    /// It touched memory that it may not touch like that.
    Page {
        /// The address.
        address: u64,
        /// The low three bits of the page-fault message (abi/03 §6), in this
        /// architecture's encoding.
        bits: u64,
        /// No mapping can ever be at the address; an exception, not a page
        /// fault, is what the ABI makes of it.
        beyond_user: bool,
    },
    /// It used the FPU, which is off.
    FpuUnavailable,
    /// It may be that it was refused an I/O port, or it did something else.
    Port {
        /// What is in the register by which instructions name ports; some name
        /// one below 256 themselves.
        port: u16,
    },
    /// Anything else.
    Exception,
}

/// Where an interrupt comes from, as the interrupt chip tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The deadline passed; the timer is stopped.
    Timer,
    /// Another CPU wants something.
    Ipi,
    /// A device: a pin of the chip. The kernel acknowledges it.
    Pin(u32),
    /// The virtual CPU of the guest that runs, with a number of its own.
    Virtual(u16),
    /// Nothing that is still there.
    Spurious,
}

/// What an architecture-specific thread operation (abi/05) answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationReply {
    /// The label.
    pub label: i64,
    /// Message words from MR0 on.
    pub words: [u64; 3],
    /// How many of them are meant.
    pub count: usize,
}
