//! A serial port: Arm's PL011 (DDI 0183). What it sends is gone at once.

use crate::devices::typed::Typed;

/// Bytes of its registers.
pub const SIZE: u64 = 0x1000;
/// Bytes that can wait for the guest.
const RECEIVER: usize = 32;

/// Bits of the flag register: nothing to receive, no room for more, nothing to send.
const RECEIVE_EMPTY: u32 = 1 << 4;
const RECEIVE_FULL: u32 = 1 << 6;
const SEND_EMPTY: u32 = 1 << 7;

/// Reasons for an interrupt: received, sent, received and then no more.
const RECEIVED: u32 = 1 << 4;
const SENT: u32 = 1 << 5;
const RECEIVE_TIMEOUT: u32 = 1 << 6;

/// Who made it, from 0xfe0 on.
const IDENTIFICATION: [u8; 8] = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// The port.
#[derive(Debug, Default)]
pub struct Pl011 {
    received: Typed<RECEIVER>,
    sent: bool,
    interrupt_mask: u32,
    /// What the guest has set, and nobody looks at: divisors, line, control, levels.
    settings: [u32; 5],
}

impl Pl011 {
    /// The guest reads a register.
    pub fn read(&mut self, offset: u64) -> u32 {
        match offset {
            0x00 => self.received.take().unwrap_or(0).into(),
            0x18 => {
                let empty = if self.received.is_empty() {
                    RECEIVE_EMPTY
                } else {
                    0
                };
                let full = if self.room() == 0 { RECEIVE_FULL } else { 0 };
                empty | full | SEND_EMPTY
            }
            0x24..=0x34 => self.settings[(offset - 0x24) as usize / 4],
            0x38 => self.interrupt_mask,
            0x3c => self.reasons(),
            0x40 => self.reasons() & self.interrupt_mask,
            0xfe0..=0xffc => IDENTIFICATION[(offset - 0xfe0) as usize / 4].into(),
            _ => 0,
        }
    }

    /// The guest writes a register; a byte that it sends.
    pub fn write(&mut self, offset: u64, value: u32) -> Option<u8> {
        match offset {
            0x00 => {
                self.sent = true;
                return Some(value as u8);
            }
            0x24..=0x34 => self.settings[(offset - 0x24) as usize / 4] = value,
            0x38 => self.interrupt_mask = value,
            0x44 if value & SENT != 0 => self.sent = false,
            _ => {}
        }
        None
    }

    /// A person types a byte; whether there was room.
    pub fn type_in(&mut self, byte: u8) -> bool {
        self.received.push(byte)
    }

    /// How many bytes have room.
    pub fn room(&self) -> usize {
        self.received.room()
    }

    /// Level of the interrupt line.
    pub fn interrupt(&self) -> bool {
        self.reasons() & self.interrupt_mask != 0
    }

    fn reasons(&self) -> u32 {
        let received = if self.received.is_empty() {
            0
        } else {
            RECEIVED | RECEIVE_TIMEOUT
        };
        received | if self.sent { SENT } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_sent() {
        let mut port = Pl011::default();
        assert_eq!(port.write(0, u32::from(b'a')), Some(b'a'));
        assert_eq!(port.read(0x18) & SEND_EMPTY, SEND_EMPTY);
        assert!(!port.interrupt());
        port.write(0x38, SENT);
        assert!(port.interrupt());
        port.write(0x44, SENT);
        assert!(!port.interrupt());
    }

    #[test]
    fn what_is_typed_interrupts_until_it_is_read() {
        let mut port = Pl011::default();
        port.write(0x38, RECEIVED);
        assert!(port.type_in(b'x'));
        assert!(port.interrupt());
        assert_eq!(port.read(0x18) & RECEIVE_EMPTY, 0);
        assert_eq!(port.read(0), u32::from(b'x'));
        assert!(!port.interrupt());
        assert_eq!(port.read(0), 0);
    }

    #[test]
    fn there_is_room_for_so_many_bytes_and_no_more() {
        let mut port = Pl011::default();
        assert!((0..RECEIVER).all(|_| port.type_in(0)));
        assert_eq!(port.room(), 0);
        assert!(!port.type_in(0));
    }

    #[test]
    fn no_register_panics() {
        let mut port = Pl011::default();
        for offset in 0..2 * SIZE {
            port.write(offset, u32::MAX);
            port.read(offset);
        }
    }
}
