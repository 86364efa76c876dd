//! In-task service: the L4Re thread that starts and signals the threads of its task.
//!
//! Source: `abi/08` §7.

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// UTCB, parent thread, new thread.
        RegisterThread = 0,
        /// Thread.
        UnregisterThread = 1,
        /// Signal action.
        SigAction = 2,
        /// Alternate signal stack.
        SigAltStack = 3,
        /// Signal mask.
        SigProcMask = 4,
        /// Pending signals.
        SigPending = 5,
        /// Set a timer.
        SetTimer = 6,
        /// Read a timer.
        GetTimer = 7,
        /// Raise a signal.
        Raise = 8,
    }
}
