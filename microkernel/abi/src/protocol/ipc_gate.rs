//! IPC gate control: label [`KERNEL_OBJECT`](super::label::KERNEL_OBJECT) to a gate capability
//! that has the server right.
//!
//! Source: `abi/05` (IPC gate).

opcodes! {
    /// Operations, word 0.
    pub enum Opcode {
        /// Lower the number of counted references: difference. Answers with the new number.
        DecreaseReferences = 0,
        /// Bind to a thread: label, item. Needs S on gate and thread.
        BindThread = 0x10,
        /// Answers with the label.
        GetInfo = 0x11,
    }
}

/// Bits of a gate label that must be zero: the receiver sees the sender's W and S rights there.
pub const LABEL_RIGHTS_MASK: u64 = 3;

/// The label that a receiver sees for a message through a gate.
pub const fn received_label(label: u64, rights: crate::rights::CapabilityRights) -> u64 {
    label | rights.bits() as u64 & LABEL_RIGHTS_MASK
}
