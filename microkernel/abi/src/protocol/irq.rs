//! IRQ sender: an interrupt as a message.
//!
//! Source: `abi/05` (IRQ sender).

opcodes! {
    /// Operations with label [`IRQ`](super::label::IRQ), word 0 bits 15..0. A message without
    /// words triggers. Neither has a reply.
    pub enum Opcode {
        /// Behave as if the interrupt came.
        Trigger = 2,
        /// Let the next interrupt come.
        Unmask = 4,
    }
}

opcodes! {
    /// Operations with label [`KERNEL_OBJECT`](super::label::KERNEL_OBJECT).
    pub enum BindOpcode {
        /// Bind to a thread: label, item. Needs S on interrupt and thread.
        BindThread = 0x10,
    }
}

opcodes! {
    /// Operations with label [`IRQ_SENDER`](super::label::IRQ_SENDER).
    pub enum SenderOpcode {
        /// Detach from the thread; the result is a [`DetachResult`]. Needs S.
        Detach = 1,
        /// aarch64: deliver to a vCPU: configuration, item. Needs S.
        BindVcpu = 2,
    }
}

/// Bits of word 0 that are the operation.
pub const OPCODE_MASK: u64 = 0xffff;

/// Label of the answer to [`SenderOpcode::Detach`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum DetachResult {
    /// Nothing was pending.
    Inactive = 0,
    /// A message was queued.
    Pending = 1,
    /// The interrupt was active in a guest.
    Abandoned = 2,
}

/// Label that a message has before the interrupt is bound.
pub const UNBOUND_LABEL: u64 = !0;
