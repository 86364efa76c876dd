//! Semaphore: counts wake-ups.
//!
//! Up is the [trigger](super::irq::Opcode::Trigger) of an interrupt.
//!
//! Source: `abi/05` (Semaphore).

opcodes! {
    /// Operations with label [`SEMAPHORE`](super::label::SEMAPHORE), word 0.
    pub enum Opcode {
        /// Wait until the counter is above zero, at most for the receive timeout. Needs S.
        Down = 0,
    }
}
