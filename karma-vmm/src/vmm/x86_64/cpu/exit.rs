//! Why a guest has exited, on whatever processor.

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Port(PortAccess),
    /// A model-specific register.
    Register {
        is_write: bool,
    },
    DebugRegister(DebugMove),
    Cpuid,
    Halt,
    Hypercall,
    /// Caches are to be written back or forgotten.
    Caches,
    /// The guest is to get this exception.
    Exception(u64),
    /// The guest is to get a debug exception, for these reasons in DR6 if that is not its own.
    Debug(u64),
    /// It was the processor's affair, and is done.
    Done(&'static str),
    TripleFault,
    /// What this machine does not have.
    Other,
}

/// IN or OUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortAccess {
    pub(crate) port: u16,
    /// Bytes.
    pub(crate) size: u8,
    pub(crate) is_read: bool,
    pub(crate) is_string: bool,
}

/// A move to or from a debug register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DebugMove {
    pub(crate) number: usize,
    pub(crate) is_write: bool,
    /// The general register, if the processor tells.
    pub(crate) general: Option<usize>,
}
