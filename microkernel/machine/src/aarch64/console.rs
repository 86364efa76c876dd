//! The console: a PL011 UART (DDI 0183), as firmware left it.

use super::mmio::Registers;

/// Offsets of registers.
mod offset {
    pub(super) const DATA: usize = 0x00;
    pub(super) const FLAGS: usize = 0x18;
    pub(super) const CONTROL: usize = 0x30;
    pub(super) const INTERRUPT_MASK: usize = 0x38;
}

/// Flags: nothing to read, no room to write.
const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;
/// Control: on, both ways.
const ENABLE: u32 = 1 << 0 | 1 << 8 | 1 << 9;
/// Interrupts: something was received, or has been waiting for a while.
const RECEIVE: u32 = 1 << 4 | 1 << 6;
/// How often room is looked for before a byte is dropped: longer than a
/// slow line takes for one.
const PATIENCE: u32 = 10_000_000;

/// The console; or none, which drops what is written.
#[derive(Clone, Copy)]
pub struct Console {
    uart: Option<Registers>,
    pin: Option<u32>,
}

impl Console {
    /// No console.
    pub(super) const NONE: Console = Console {
        uart: None,
        pin: None,
    };

    /// The UART at `uart`, which interrupts at `pin`.
    pub(super) fn new(uart: Registers, pin: Option<u32>) -> Self {
        uart.write(offset::INTERRUPT_MASK, 0);
        uart.write(offset::CONTROL, uart.read(offset::CONTROL) | ENABLE);
        Self {
            uart: Some(uart),
            pin,
        }
    }

    /// Writes bytes, waiting until the UART takes them.
    pub fn write(&self, bytes: &[u8]) {
        let Some(uart) = self.uart else { return };
        for &byte in bytes {
            let mut patience = PATIENCE;
            while uart.read(offset::FLAGS) & TRANSMIT_FULL != 0 && patience > 0 {
                patience -= 1;
            }
            uart.write(offset::DATA, u32::from(byte));
        }
    }

    /// Takes a byte of input, if there is one.
    pub fn read(&self) -> Option<u8> {
        let uart = self.uart?;
        if uart.read(offset::FLAGS) & RECEIVE_EMPTY != 0 {
            return None;
        }
        Some(uart.read(offset::DATA) as u8)
    }

    /// Lets input raise the interrupt, a level until all is read. Input that
    /// is waiting raises it at once.
    pub fn enable_receive_interrupt(&self) {
        if let Some(uart) = self.uart {
            uart.write(offset::INTERRUPT_MASK, RECEIVE);
        }
    }

    /// The pin at which input interrupts.
    pub fn interrupt_pin(&self) -> Option<u32> {
        self.pin
    }
}

impl core::fmt::Write for &Console {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}
