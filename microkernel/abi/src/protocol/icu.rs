//! Interrupt controller: label [`IRQ`](super::label::IRQ). Schedulers, logs and servers with
//! interrupts speak it too.
//!
//! Source: `abi/05` (ICU).

use crate::flags::flags;

opcodes! {
    /// Operations, word 0.
    pub enum Opcode {
        /// Bind an interrupt to a pin: pin, item (needs W).
        Bind = 0,
        /// Unbind: pin, item.
        Unbind = 1,
        /// Answers with features, number of pins, number of MSIs.
        Info = 2,
        /// MSI number, source. Answers with address and data.
        MsiInfo = 3,
        /// Unmask a pin. No reply.
        Unmask = 4,
        /// Mask a pin. No reply.
        Mask = 5,
        /// Pin, [`Mode`].
        SetMode = 6,
    }
}

/// Feature bit of [`Opcode::Info`]: there are MSIs.
pub const FEATURE_MSI: u64 = 0x8000_0000;
/// Flag in a pin number: it is an MSI.
pub const PIN_MSI: u64 = 0x8000_0000;

flags! {
    /// Trigger mode of a pin.
    pub struct Mode: u64 {
        /// The mode is to be set.
        const SET = 0x01;
        /// Level, otherwise edge.
        const LEVEL = 0x02;
        /// Low or falling, otherwise high or rising.
        const LOW = 0x04;
        /// Both edges.
        const BOTH = 0x08;
        /// Let the pin wake the system.
        const SET_WAKEUP = 0x10;
        /// Do not.
        const CLEAR_WAKEUP = 0x20;
        /// Level, high.
        const LEVEL_HIGH = Self::SET.bits() | Self::LEVEL.bits();
        /// Level, low.
        const LEVEL_LOW = Self::LEVEL_HIGH.bits() | Self::LOW.bits();
        /// Rising edge.
        const RISING_EDGE = Self::SET.bits();
        /// Falling edge.
        const FALLING_EDGE = Self::SET.bits() | Self::LOW.bits();
        /// Both edges.
        const BOTH_EDGES = Self::SET.bits() | Self::BOTH.bits();
    }
}

/// Second word of the unmask requests that client libraries send to an interrupt.
pub const UNMASK_ARGUMENT: u64 = 0xffff_ffff;
