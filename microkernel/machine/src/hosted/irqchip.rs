//! An interrupt chip whose pins remember what was done to them.

use core::sync::atomic::{AtomicBool, Ordering};
use std::vec::Vec;

use l4_abi::error::ResultCode;

use super::trap::{Interrupt, Source};
use crate::lock::Lock;

/// What a pin was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Mode bits (abi/05 ICU).
    pub mode: u64,
    /// Whether it is masked.
    pub masked: bool,
    /// How many interrupts of it were acknowledged.
    pub acknowledged: u32,
    /// The hardware id of the CPU that gets its interrupts.
    pub cpu: u64,
    /// Whether it was masked when that was last said.
    pub sent_masked: bool,
}

/// The chip.
pub struct IrqChip {
    pins: Lock<Vec<Pin>>,
    pending: AtomicBool,
}

/// How many messages a chip has, behind its pins.
const MESSAGES: u32 = 2;

/// Mode of a pin that nobody set: rising edge.
const INITIAL_MODE: u64 = 1;

impl IrqChip {
    /// A chip with so many pins, all masked.
    pub fn new(pins: u32) -> Self {
        let pin = Pin {
            mode: INITIAL_MODE,
            masked: true,
            acknowledged: 0,
            cpu: 0,
            sent_masked: true,
        };
        Self {
            pins: Lock::new(vec![pin; (pins + MESSAGES) as usize]),
            pending: AtomicBool::new(false),
        }
    }

    /// The state of a pin, for the test.
    pub fn pin(&self, pin: u32) -> Pin {
        self.pins.lock()[pin as usize]
    }

    /// Says whether an interrupt waits, for the test.
    pub fn set_pending(&self, pending: bool) {
        self.pending.store(pending, Ordering::Relaxed);
    }

    /// Where the page with a guest's CPU interface is: there is none.
    pub fn guest_interface(&self) -> Option<u64> {
        None
    }

    /// True if an interrupt waits until this CPU takes interrupts.
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// Where an interrupt comes from.
    pub fn claim(&self, interrupt: Interrupt) -> Source {
        interrupt.0
    }

    /// The number of pins.
    pub fn pins(&self) -> u32 {
        self.lines() - MESSAGES
    }

    /// The number of pins and messages.
    pub fn lines(&self) -> u32 {
        self.pins.lock().len() as u32
    }

    /// Whether user mode can have a pin.
    pub fn is_usable(&self, pin: u32) -> bool {
        pin < self.pins()
    }

    /// The number of message-signalled interrupts.
    pub fn msis(&self) -> u32 {
        MESSAGES
    }

    /// The line of message `number`.
    pub fn msi_line(&self, number: u32) -> Option<u32> {
        (number < MESSAGES).then(|| self.pins() + number)
    }

    /// Address and data of message-signalled interrupt `number`, which nothing
    /// listens to.
    ///
    /// # Errors
    /// ERANGE if there is no such message.
    pub fn msi_info(&self, number: u32) -> Result<(u64, u32), ResultCode> {
        let line = self.msi_line(number).ok_or(ResultCode::ERANGE)?;
        Ok((0x1000, line))
    }

    /// Sets edge or level and polarity (mode bits of abi/05).
    pub fn set_mode(&self, pin: u32, mode: u64) -> Result<(), ResultCode> {
        let mut pins = self.pins.lock();
        let pin = pins.get_mut(pin as usize).ok_or(ResultCode::EINVAL)?;
        pin.mode = mode;
        Ok(())
    }

    /// The mode bits of a pin.
    pub fn mode(&self, pin: u32) -> u64 {
        self.pins.lock().get(pin as usize).map_or(0, |pin| pin.mode)
    }

    /// Keeps a pin's interrupts back.
    pub fn mask(&self, pin: u32) {
        self.with(pin, |pin| pin.masked = true);
    }

    /// Lets a pin's interrupts through.
    pub fn unmask(&self, pin: u32) {
        self.with(pin, |pin| pin.masked = false);
    }

    /// Ends the handling of an interrupt.
    pub fn acknowledge(&self, pin: u32) {
        self.with(pin, |pin| pin.acknowledged += 1);
    }

    /// Sends a pin's interrupts to the CPU with this hardware id.
    pub fn route(&self, pin: u32, hardware_id: u64) {
        self.with(pin, |pin| {
            pin.cpu = hardware_id;
            pin.sent_masked = pin.masked;
        });
    }

    fn with(&self, pin: u32, change: impl FnOnce(&mut Pin)) {
        if let Some(pin) = self.pins.lock().get_mut(pin as usize) {
            change(pin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_start_masked_and_bad_pins_are_refused() {
        let chip = IrqChip::new(4);
        assert!(chip.pin(3).masked);
        chip.unmask(3);
        assert!(!chip.pin(3).masked);
        chip.unmask(4 + MESSAGES);
        assert_eq!(chip.set_mode(4 + MESSAGES, 3), Err(ResultCode::EINVAL));
    }
}
