//! Why a guest has exited, on whatever processor.

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// IN or OUT.
    Port(PortAccess),
    /// RDMSR or WRMSR.
    Register {
        /// Which of them.
        is_write: bool,
    },
    /// A debug register.
    DebugRegister(DebugMove),
    /// CPUID.
    Cpuid,
    /// HLT.
    Halt,
    /// VMMCALL or VMCALL.
    Hypercall,
    /// Caches are to be written back or forgotten.
    Caches,
    /// The guest is to get this exception.
    Exception(u64),
    /// The guest is to get a debug exception, for these reasons in DR6 if that is not its own.
    Debug(u64),
    /// It was the processor's affair, and is done.
    Done(&'static str),
    /// The guest cannot go on.
    TripleFault,
    /// What this machine does not have.
    Other,
}

/// IN or OUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortAccess {
    /// The first one.
    pub port: u16,
    /// Bytes.
    pub size: u8,
    /// IN.
    pub is_read: bool,
    /// It is for a whole string.
    pub is_string: bool,
}

/// A move to or from a debug register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugMove {
    /// The debug register.
    pub number: usize,
    /// To that.
    pub is_write: bool,
    /// The general register, if the processor tells.
    pub general: Option<usize>,
}
