//! Platform control: the same object as the interrupt controller, label
//! [`NONE`](super::label::NONE).
//!
//! Source: `abi/05` (platform control).

opcodes! {
    /// Operations, word 0.
    pub enum Opcode {
        /// Suspend the system.
        Suspend = 0,
        /// A [`Shutdown`] kind. Does not return.
        Shutdown = 1,
        /// CPU, whether it may be switched off.
        CpuAllowShutdown = 2,
        /// aarch64: ASID, task as item.
        SetTaskAsid = 0x10,
    }
}

opcodes! {
    /// Word 1 of [`Opcode::Shutdown`].
    pub enum Shutdown {
        /// Power off.
        PowerOff = 0,
        /// Restart.
        Reboot = 1,
    }
}
