//! A 16550A serial port, as drivers of the 8250 family know it (PC16550D data sheet).
//!
//! What the guest sends leaves at once, so the transmitter is always empty. What is typed waits until
//! the guest takes it; what finds no room is lost, as on the real one.

use crate::devices::typed::Typed;

/// Ports, from its base.
pub const PORTS: u16 = 8;
/// Bytes that can wait for the guest.
const RECEIVER: usize = 256;

/// Line control: the divisor latch is where data and interrupt enable are.
const DIVISOR_ACCESS: u8 = 1 << 7;
/// Interrupt enable.
const ON_DATA: u8 = 1 << 0;
const ON_TRANSMITTER_EMPTY: u8 = 1 << 1;
/// Modem control: the line to the interrupt controller is connected.
const OUT2: u8 = 1 << 3;
/// Modem control: what is sent is received.
const LOOPBACK: u8 = 1 << 4;
/// Line status.
const DATA_READY: u8 = 1 << 0;
const TRANSMITTER_EMPTY: u8 = 0b11 << 5;
/// Modem status of a terminal that is there: carrier, data set ready, clear to send.
const CONNECTED: u8 = 0xb0;

/// The reasons for an interrupt, as the identification register says them.
const NO_INTERRUPT: u8 = 0b001;
const TRANSMITTER_INTERRUPT: u8 = 0b010;
const DATA_INTERRUPT: u8 = 0b100;

/// The port's registers and what it has received.
#[derive(Debug, Default)]
pub struct Serial {
    interrupt_enable: u8,
    fifos: bool,
    line_control: u8,
    modem_control: u8,
    scratch: u8,
    divisor: [u8; 2],
    received: Typed<RECEIVER>,
    /// The guest has not been told yet that it can send.
    emptied: bool,
}

impl Serial {
    /// What the guest reads from a register, 0 to 7.
    pub fn read(&mut self, register: u16) -> u8 {
        match register % PORTS {
            low @ 0..=1 if self.line_control & DIVISOR_ACCESS != 0 => {
                self.divisor[usize::from(low)]
            }
            0 => self.received.take().unwrap_or(0),
            1 => self.interrupt_enable,
            2 => {
                let reason = self.reason();
                if reason == TRANSMITTER_INTERRUPT {
                    self.emptied = false;
                }
                reason | if self.fifos { 0xc0 } else { 0 }
            }
            3 => self.line_control,
            4 => self.modem_control,
            5 if self.received.is_empty() => TRANSMITTER_EMPTY,
            5 => TRANSMITTER_EMPTY | DATA_READY,
            6 if self.modem_control & LOOPBACK != 0 => looped_back(self.modem_control),
            6 => CONNECTED,
            _ => self.scratch,
        }
    }

    /// The guest writes a register; the byte that it sends by that.
    pub fn write(&mut self, register: u16, value: u8) -> Option<u8> {
        match register % PORTS {
            low @ 0..=1 if self.line_control & DIVISOR_ACCESS != 0 => {
                self.divisor[usize::from(low)] = value;
            }
            0 => {
                self.emptied = true;
                if self.modem_control & LOOPBACK == 0 {
                    return Some(value);
                }
                self.receive(value);
            }
            1 => {
                self.emptied |= value & !self.interrupt_enable & ON_TRANSMITTER_EMPTY != 0;
                self.interrupt_enable = value & 0xf;
            }
            2 => {
                self.fifos = value & 1 != 0;
                if value & 2 != 0 {
                    self.received.clear();
                }
            }
            3 => self.line_control = value,
            4 => self.modem_control = value & 0x1f,
            7 => self.scratch = value,
            // The states of line and modem are read only.
            _ => {}
        }
        None
    }

    /// A byte comes from outside; whether there was room.
    pub fn receive(&mut self, byte: u8) -> bool {
        self.received.push(byte)
    }

    /// How many bytes have room.
    pub fn room(&self) -> usize {
        self.received.room()
    }

    /// Level of the interrupt line.
    pub fn interrupt(&self) -> bool {
        self.modem_control & OUT2 != 0 && self.reason() != NO_INTERRUPT
    }

    fn reason(&self) -> u8 {
        if self.interrupt_enable & ON_DATA != 0 && !self.received.is_empty() {
            DATA_INTERRUPT
        } else if self.interrupt_enable & ON_TRANSMITTER_EMPTY != 0 && self.emptied {
            TRANSMITTER_INTERRUPT
        } else {
            NO_INTERRUPT
        }
    }
}

/// Modem status while the outputs are wired to the inputs: RTS to CTS, DTR to DSR, the others to the others.
fn looped_back(control: u8) -> u8 {
    let bit = |from: u8, to: u8| (control >> from & 1) << to;
    bit(1, 4) | bit(0, 5) | bit(2, 6) | bit(3, 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_what_is_written_and_says_that_there_is_room() {
        let mut serial = Serial::default();
        assert_eq!(serial.write(0, b'a'), Some(b'a'));
        assert_eq!(serial.read(5), 0x60);
        serial.write(3, 0x83);
        assert_eq!(serial.write(0, 1), None, "a divisor is not sent");
        assert_eq!(serial.read(0), 1);
        serial.write(3, 0x03);
        assert_eq!(serial.write(0, b'b'), Some(b'b'));
    }

    #[test]
    fn receives_in_order_and_loses_what_finds_no_room() {
        let mut serial = Serial::default();
        let all = (0..RECEIVER + 1).map(|byte| serial.receive(byte as u8));
        assert_eq!(all.filter(|&room| room).count(), RECEIVER);
        assert_eq!(serial.read(5), 0x61);
        for byte in 0..RECEIVER {
            assert_eq!(serial.read(0), byte as u8);
        }
        assert_eq!(serial.read(5), 0x60);
        assert_eq!(serial.read(0), 0);
    }

    #[test]
    fn interrupts_for_data_before_room_and_only_if_connected() {
        let mut serial = Serial::default();
        serial.write(1, 3);
        serial.receive(b'x');
        assert!(!serial.interrupt(), "OUT2 is off");
        serial.write(4, 0x08);
        assert!(serial.interrupt());
        assert_eq!(serial.read(2), 0x04);
        serial.read(0);
        assert_eq!(serial.read(2), 0x02, "the transmitter is empty");
        assert_eq!(serial.read(2), 0x01, "and that is said once");
        assert!(!serial.interrupt());
        serial.write(0, b'y');
        assert!(serial.interrupt());
        serial.write(1, 0);
        assert!(!serial.interrupt());
        serial.write(1, 2);
        assert!(serial.interrupt(), "said again to who asks again");
    }

    #[test]
    fn loops_back_for_drivers_that_look_what_it_is() {
        let mut serial = Serial::default();
        serial.write(4, 0x1a);
        assert_eq!(serial.read(6) & 0xf0, 0x90);
        assert_eq!(serial.write(0, 0x55), None);
        assert_eq!(serial.read(0), 0x55);
        serial.write(2, 1);
        assert_eq!(serial.read(2) & 0xc0, 0xc0, "a 16550A has working queues");
    }
}
