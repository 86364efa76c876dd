//! The serial console: a 16550 UART behind I/O ports.

use core::fmt;

use l4_abi::boot::options::{Flags, NO_IRQ, UartAccess};

use super::boot::options;
use super::instructions::{read_port_8, write_port_8};

/// COM1.
const DEFAULT_BASE: u16 = 0x3f8;
const DEFAULT_IRQ: u32 = 4;

/// Registers, as offsets from the base.
mod register {
    pub(super) const DATA: u16 = 0;
    pub(super) const INTERRUPT_ENABLE: u16 = 1;
    pub(super) const FIFO_CONTROL: u16 = 2;
    pub(super) const LINE_CONTROL: u16 = 3;
    pub(super) const MODEM_CONTROL: u16 = 4;
    pub(super) const LINE_STATUS: u16 = 5;
}

const RECEIVE_INTERRUPT: u8 = 1;
const DATA_READY: u8 = 1;
/// The next byte can come; all bytes are on their way.
const TRANSMITTER_READY: u8 = 1 << 5;
const TRANSMITTER_IDLE: u8 = 1 << 6;
const EIGHT_BITS: u8 = 3;
/// Enable and clear both FIFOs, interrupt at the first byte.
const FIFOS: u8 = 0b111;
/// DTR, RTS, and the line through which its interrupt leaves the UART.
const MODEM_LINES: u8 = 0b1011;

/// How often to look at a transmitter that stays busy. A byte takes less at
/// any usual speed; a dead UART must not stop the kernel.
const PATIENCE: u32 = 100_000;

/// The console.
pub struct Console {
    /// First port, if there is a UART.
    base: Option<u16>,
    irq: Option<u32>,
}

impl Console {
    /// The console that the loader tells of, or COM1. Says nothing to it yet.
    pub(super) fn find() -> Self {
        let options = options();
        let flags = Flags::from_bits_retain(options.flags);
        let uart = options.uart;
        let (access, base, irq) = (uart.access, uart.base, uart.irq);
        let base = if flags.contains(Flags::NO_SERIAL) {
            None
        } else if flags.contains(Flags::UART_BASE) {
            (access == UartAccess::IoPort as u8).then_some(base as u16)
        } else {
            Some(DEFAULT_BASE)
        };
        let irq = if flags.contains(Flags::UART_IRQ) {
            (irq != NO_IRQ).then_some(u32::from(irq))
        } else {
            Some(DEFAULT_IRQ)
        };
        // Where there is no UART all bits read as ones.
        let base = base.filter(|&base| {
            Self {
                base: Some(base),
                irq,
            }
            .line_status()
                != !0
        });
        Self { base, irq }
    }

    /// Turns its interrupts off. The line's speed is as the loader has set it.
    pub(super) fn initialise(&self) {
        for (register, value) in [
            (register::LINE_CONTROL, EIGHT_BITS),
            (register::INTERRUPT_ENABLE, 0),
            (register::FIFO_CONTROL, FIFOS),
            (register::MODEM_CONTROL, MODEM_LINES),
        ] {
            self.write_register(register, value);
        }
    }

    fn write_register(&self, register: u16, value: u8) {
        if let Some(base) = self.base {
            // SAFETY: the UART is the kernel's.
            unsafe { write_port_8(base.wrapping_add(register), value) };
        }
    }

    fn line_status(&self) -> u8 {
        self.base.map_or(0, |base| {
            // SAFETY: the UART is the kernel's.
            unsafe { read_port_8(base.wrapping_add(register::LINE_STATUS)) }
        })
    }

    /// Writes bytes.
    pub fn write(&self, bytes: &[u8]) {
        if self.base.is_none() {
            return;
        }
        for &byte in bytes {
            self.wait_for(TRANSMITTER_READY);
            self.write_register(register::DATA, byte);
        }
    }

    /// Waits until the last byte is out: a machine without power sends nothing.
    pub(super) fn finish(&self) {
        self.wait_for(TRANSMITTER_IDLE);
    }

    fn wait_for(&self, state: u8) {
        for _ in 0..PATIENCE {
            if self.base.is_none() || self.line_status() & state != 0 {
                break;
            }
        }
    }

    /// Takes a byte of input, if there is one.
    pub fn read(&self) -> Option<u8> {
        let base = self.base?;
        // SAFETY: the UART is the kernel's.
        (self.line_status() & DATA_READY != 0)
            .then(|| unsafe { read_port_8(base + register::DATA) })
    }

    /// Lets input raise the interrupt.
    pub fn enable_receive_interrupt(&self) {
        self.write_register(register::INTERRUPT_ENABLE, RECEIVE_INTERRUPT);
    }

    /// The pin of the interrupt chip at which input is told.
    pub fn interrupt_pin(&self) -> Option<u32> {
        self.base.and(self.irq)
    }
}

impl fmt::Write for &Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}
