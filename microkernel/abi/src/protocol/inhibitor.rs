//! Inhibitor: keeps the system from suspending or shutting down.
//!
//! Source: `abi/08` §7.

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// Lock, reason.
        Acquire = 0,
        /// Lock.
        Release = 1,
        /// Lock. Answers with the next one.
        NextLockInfo = 2,
    }
}
