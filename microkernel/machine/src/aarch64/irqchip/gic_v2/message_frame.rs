//! A GICv2m frame (SBSA, appendix E): whoever writes a number to it raises that
//! shared interrupt, so devices can send messages.

use crate::arch::mmio::Registers;

/// MSI_TYPER: the first interrupt and how many.
const TYPE: usize = 0x008;
/// MSI_SETSPI_NS: where devices write.
const SET: u64 = 0x040;

/// A frame, and the interrupts that it raises.
pub(crate) struct MessageFrame {
    /// Its physical address.
    address: u64,
    first: u32,
    /// How many interrupts.
    pub(super) count: u32,
}

impl MessageFrame {
    /// The frame with these registers, at this physical address.
    pub(crate) fn new(registers: Registers, address: u64) -> Self {
        let kind = registers.read(TYPE);
        Self {
            address,
            first: kind >> 16 & 0x3ff,
            count: kind & 0x3ff,
        }
    }

    /// The interrupt of message `number`.
    pub(super) fn line(&self, number: u32) -> Option<u32> {
        (number < self.count).then(|| self.first + number)
    }

    /// Where a device writes.
    pub(super) fn target(&self) -> u64 {
        self.address + SET
    }
}
