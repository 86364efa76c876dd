//! The interrupt chip: I/O APICs, whose pins are ACPI's global interrupt
//! numbers, and messages straight to the local APIC (MSIs).
//!
//! Each is a line with a vector of its own; the pins come first.

use core::ptr::NonNull;

use l4_abi::error::ResultCode;
use l4_abi::protocol::icu::Mode;

use super::acpi::{Acpi, MAX_IO_APICS};
use super::instructions::write_port_8;
use super::local_apic::{LocalApic, vector};
use super::trap::{Interrupt, Source};
use super::window;
use crate::lock::Lock;

/// Vectors for pins and messages.
const VECTORS: u32 = vector::END_PIN - vector::FIRST_PIN;
/// Pins that get one, at most: the others are left to messages.
const MAX_PINS: u32 = 128;

/// Bits of a pin's redirection entry (82093AA data sheet).
mod entry {
    pub(super) const LOW: u32 = 1 << 13;
    pub(super) const LEVEL: u32 = 1 << 15;
    pub(super) const MASKED: u32 = 1 << 16;
}

/// Register numbers of an I/O APIC.
mod register {
    pub(super) const VERSION: u32 = 1;
    pub(super) const REDIRECTION: u32 = 0x10;
}

/// Where messages are written to (SDM 10.11).
const MESSAGE_ADDRESS: u64 = 0xfee0_0000;
/// Messages are edges, and the line is asserted.
const MESSAGE_ASSERT: u32 = 1 << 14;

/// One I/O APIC. Registers are reached by writing their number first, so it
/// is used under a lock.
struct IoApic {
    registers: NonNull<u32>,
    first_pin: u32,
    pins: u32,
}

// SAFETY: it is the only one to use the registers.
unsafe impl Send for IoApic {}

impl IoApic {
    fn new(address: u64, first_pin: u32) -> Self {
        let registers = window::map_device(address, 4096).cast();
        let mut chip = Self {
            registers,
            first_pin,
            pins: 0,
        };
        chip.pins = (chip.read(register::VERSION) >> 16 & 0xff) + 1;
        chip
    }

    fn read(&self, register: u32) -> u32 {
        // SAFETY: the select register, then the data register at 0x10.
        unsafe {
            self.registers.write_volatile(register);
            self.registers.add(4).read_volatile()
        }
    }

    fn write(&self, register: u32, value: u32) {
        // SAFETY: likewise; pins lead to vectors that have handlers.
        unsafe {
            self.registers.write_volatile(register);
            self.registers.add(4).write_volatile(value);
        }
    }
}

type IoApics = [Option<IoApic>; MAX_IO_APICS];

/// All interrupt controllers.
pub struct IrqChip {
    pub(super) local: LocalApic,
    io_apics: Lock<IoApics>,
    pins: u32,
}

impl IrqChip {
    /// Finds the chips. All pins are masked and lead to CPU `boot_cpu`.
    pub(super) fn new(acpi: &Acpi, local: LocalApic, boot_cpu: u32) -> Self {
        disable_8259();
        let mut io_apics: IoApics = [const { None }; MAX_IO_APICS];
        let found = &acpi.io_apics[..acpi.io_apic_count];
        for (place, entry) in io_apics.iter_mut().zip(found) {
            *place = Some(IoApic::new(entry.address, entry.first_pin));
        }
        let end = io_apics
            .iter()
            .flatten()
            .map(|chip| chip.first_pin.saturating_add(chip.pins));
        let pins = end.max().unwrap_or(0).min(MAX_PINS);
        let chip = Self {
            local,
            io_apics: Lock::new(io_apics),
            pins,
        };
        for pin in 0..pins {
            chip.change(pin, |_| entry::MASKED | (vector::FIRST_PIN + pin));
            chip.route(pin, u64::from(boot_cpu));
        }
        chip
    }

    /// Lets `act` have the I/O APIC of a pin, and which register its entry
    /// begins with. `None` if there is no such pin.
    fn with_pin<R>(&self, pin: u32, act: impl FnOnce(&IoApic, u32) -> R) -> Option<R> {
        if pin >= self.pins {
            return None;
        }
        let io_apics = self.io_apics.lock();
        let chip = io_apics.iter().flatten().find(|chip| {
            pin.checked_sub(chip.first_pin)
                .is_some_and(|pin| pin < chip.pins)
        })?;
        let low = register::REDIRECTION + 2 * (pin - chip.first_pin);
        Some(act(chip, low))
    }

    /// Changes the lower half of a pin's entry.
    fn change(&self, pin: u32, change: impl FnOnce(u32) -> u32) -> Option<()> {
        self.with_pin(pin, |chip, low| chip.write(low, change(chip.read(low))))
    }

    /// Where the page with a guest's CPU interface is: there is none.
    pub fn guest_interface(&self) -> Option<u64> {
        None
    }

    /// True if an interrupt waits until this CPU takes interrupts.
    pub fn is_pending(&self) -> bool {
        self.local.has_request()
    }

    /// Where an interrupt comes from. Pins have to be acknowledged, the
    /// others not.
    #[inline]
    pub fn claim(&self, interrupt: Interrupt) -> Source {
        match interrupt.0 {
            number @ vector::FIRST_PIN..vector::END_PIN => Source::Pin(number - vector::FIRST_PIN),
            vector::TIMER => {
                self.local.end_of_interrupt();
                Source::Timer
            }
            vector::IPI => {
                self.local.end_of_interrupt();
                Source::Ipi
            }
            vector::SPURIOUS => Source::Spurious,
            _ => {
                // A message that no device was told to send.
                self.local.end_of_interrupt();
                Source::Spurious
            }
        }
    }

    /// The number of pins.
    pub fn pins(&self) -> u32 {
        self.pins
    }

    /// The number of pins and messages.
    pub fn lines(&self) -> u32 {
        VECTORS
    }

    /// The number of message-signalled interrupts.
    pub fn msis(&self) -> u32 {
        VECTORS - self.pins
    }

    /// The line of message `number`.
    pub fn msi_line(&self, number: u32) -> Option<u32> {
        (number < self.msis()).then(|| self.pins + number)
    }

    /// Address and data of message-signalled interrupt `number`, to this CPU.
    ///
    /// # Errors
    /// ERANGE if there is no such message.
    pub fn msi_info(&self, number: u32) -> Result<(u64, u32), ResultCode> {
        let line = self.msi_line(number).ok_or(ResultCode::ERANGE)?;
        let address = MESSAGE_ADDRESS | u64::from(self.local.id()) << 12;
        Ok((address, (vector::FIRST_PIN + line) | MESSAGE_ASSERT))
    }

    /// Sets edge or level and polarity (mode bits of abi/05). Messages have
    /// no mode.
    ///
    /// # Errors
    /// EINVAL if there is no such pin, or for both edges.
    pub fn set_mode(&self, pin: u32, mode: u64) -> Result<(), ResultCode> {
        let mode = Mode::from_bits_retain(mode);
        if pin >= self.pins || !mode.contains(Mode::SET) {
            return Ok(());
        }
        if mode.contains(Mode::BOTH) {
            return Err(ResultCode::EINVAL);
        }
        self.change(pin, |entry| {
            let mut entry = entry & !(entry::LEVEL | entry::LOW);
            if mode.contains(Mode::LEVEL) {
                entry |= entry::LEVEL;
            }
            if mode.contains(Mode::LOW) {
                entry |= entry::LOW;
            }
            entry
        })
        .ok_or(ResultCode::EINVAL)
    }

    /// The mode bits of a pin.
    pub fn mode(&self, pin: u32) -> u64 {
        let entry = self.with_pin(pin, IoApic::read).unwrap_or(0);
        let mut mode = Mode::SET;
        mode.set(Mode::LEVEL, entry & entry::LEVEL != 0);
        mode.set(Mode::LOW, entry & entry::LOW != 0);
        mode.bits()
    }

    /// Keeps a pin's interrupts back.
    pub fn mask(&self, pin: u32) {
        self.change(pin, |entry| entry | entry::MASKED);
    }

    /// Lets a pin's interrupts through.
    pub fn unmask(&self, pin: u32) {
        self.change(pin, |entry| entry & !entry::MASKED);
    }

    /// Ends the handling of an interrupt.
    #[inline]
    pub fn acknowledge(&self, _pin: u32) {
        self.local.end_of_interrupt();
    }

    /// Sends a pin's interrupts to the CPU with this hardware id.
    pub fn route(&self, pin: u32, hardware_id: u64) {
        self.with_pin(pin, |chip, low| {
            chip.write(low + 1, (hardware_id as u32) << 24)
        });
    }
}

/// Moves the interrupts of the two old controllers away from exceptions, and
/// masks them (8259A data sheet: four initialisation words, then the mask).
fn disable_8259() {
    const UNUSED_VECTORS: u8 = 0x20;
    for (command, data, vectors, line) in [
        (0x20, 0x21, UNUSED_VECTORS, 1 << 2),
        (0xa0, 0xa1, UNUSED_VECTORS + 8, 2),
    ] {
        // SAFETY: the controllers are the kernel's.
        unsafe {
            write_port_8(command, 0x11);
            write_port_8(data, vectors);
            write_port_8(data, line);
            write_port_8(data, 1);
            write_port_8(data, 0xff);
        }
    }
}
