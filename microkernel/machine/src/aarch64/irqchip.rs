//! The Generic Interrupt Controller: version 2 by memory, version 3 (and 4)
//! by system registers.
//!
//! Pins are INTIDs (abi/05 ICU). Those below 32 belong to a CPU each and are
//! the kernel's; shared ones can be bound by user mode.

mod distributor;
#[cfg_attr(not(feature = "gic-v2"), path = "irqchip/gic_v2/absent.rs")]
mod gic_v2;
mod gic_v3;

use core::sync::atomic::Ordering::Relaxed;

use l4_abi::arch::aarch64::vm::{PPI_MAINTENANCE, PPI_VIRTUAL_TIMER};
use l4_abi::error::ResultCode;
use l4_abi::protocol::icu::Mode;

use super::timer;
use super::trap::Interrupt;
use super::vm::{self, GuestState};
use crate::event::Source;
use distributor::Distributor;
use gic_v2::Gic;
pub(super) use gic_v2::find;
pub(super) use gic_v3::GicV3;

/// First INTID that is shared by the CPUs; software-generated ones and the
/// CPUs' own are below.
const FIRST_SHARED: u32 = 32;
/// First INTID that is a CPU's own and not software-generated.
const FIRST_PRIVATE: u32 = 16;
/// First INTID with a special meaning: nothing is pending.
const FIRST_SPECIAL: u32 = 1020;
/// The EL2 physical timer.
const TIMER: u32 = 26;
/// What guests cause: their virtual timer, and the virtual interface, which
/// has something to tell.
const VIRTUAL_TIMER: u32 = 27;
const MAINTENANCE: u32 = 25;
/// The software-generated interrupt that [`ipi`](super::ipi) uses.
pub(super) const IPI: u32 = 0;
/// Those of a CPU's own interrupts that the kernel takes.
const OWN: u32 = 1 << TIMER | 1 << VIRTUAL_TIMER | 1 << MAINTENANCE | 1 << IPI;
/// The priority of all interrupts, in the middle.
const PRIORITY: u32 = 0xa0;
/// Any interrupt is more urgent than the CPU.
const LOWEST_PRIORITY: u32 = 0xff;

/// The chip.
pub struct IrqChip(pub(super) Gic);

impl IrqChip {
    /// Lets this CPU take interrupts, its own ones included. On the boot CPU
    /// after the distributor was set up.
    pub(super) fn initialise_cpu(&self) {
        self.0.initialise_cpu();
    }

    fn distributor(&self) -> &Distributor {
        self.0.distributor()
    }

    /// True if an interrupt waits until this CPU takes interrupts.
    pub fn is_pending(&self) -> bool {
        /// ISR_EL1: an IRQ is pending.
        const IRQ: u64 = 1 << 7;
        read_register!("isr_el1") & IRQ != 0
    }

    /// Takes an interrupt from the chip: which it is. Once for each
    /// interrupt that the CPU reports, with the token of that.
    #[inline]
    pub fn claim(&self, _interrupt: Interrupt) -> Source {
        let claimed = self.0.claim();
        // Version 2 tells the sender of a software-generated interrupt too.
        match claimed & 0x3ff {
            FIRST_SPECIAL.. => Source::Spurious,
            TIMER => {
                timer::stop();
                self.end(claimed);
                Source::Timer
            }
            IPI => {
                self.end(claimed);
                Source::Ipi
            }
            VIRTUAL_TIMER => {
                let is_due = vm::mask_timer();
                self.end(claimed);
                match is_due {
                    true => Source::Virtual(PPI_VIRTUAL_TIMER),
                    false => Source::Spurious,
                }
            }
            // It stays until the guest is left.
            MAINTENANCE => {
                self.end(claimed);
                Source::Virtual(PPI_MAINTENANCE)
            }
            pin @ FIRST_SHARED.. => Source::Pin(pin),
            other => {
                // Nobody enabled it; not again.
                self.mask(other);
                self.end(claimed);
                Source::Spurious
            }
        }
    }

    #[inline]
    fn end(&self, claimed: u32) {
        self.0.end(claimed);
    }

    /// Its version, 2 or 3.
    pub(super) fn version(&self) -> u8 {
        self.0.version()
    }

    /// Fills in the part of a new guest's state that is the chip's.
    pub(super) fn initialise_guest(&self, state: &GuestState) {
        state.clear_interrupts();
        state.gic_vtr.store(self.0.guest_kind(), Relaxed);
    }

    /// Shows a guest its interrupts from now on, if it wants to see any.
    pub(super) fn load_guest(&self, state: &GuestState) {
        self.0.load_guest(state);
    }

    /// Shows the guest nothing any more; what it saw is in its state.
    pub(super) fn unload_guest(&self, state: &GuestState) {
        self.0.unload_guest(state);
    }

    /// Where the page with a guest's CPU interface is (Task op 0x12); none in
    /// version 3.
    pub fn guest_interface(&self) -> Option<u64> {
        self.0.guest_interface()
    }

    /// The number of pins.
    pub fn pins(&self) -> u32 {
        self.distributor().interrupts
    }

    /// Whether user mode can have a pin.
    pub fn is_usable(&self, pin: u32) -> bool {
        (FIRST_SHARED..self.pins()).contains(&pin)
    }

    /// The number of pins; messages raise some of them.
    pub fn lines(&self) -> u32 {
        self.pins()
    }

    /// The number of message-signalled interrupts.
    pub fn msis(&self) -> u32 {
        self.0.messages()
    }

    /// The pin that message `number` raises.
    pub fn msi_line(&self, number: u32) -> Option<u32> {
        let (_, line) = self.msi_info(number).ok()?;
        Some(line)
    }

    /// Address and data of message-signalled interrupt `number`.
    ///
    /// # Errors
    /// ERANGE if there is no such message.
    pub fn msi_info(&self, number: u32) -> Result<(u64, u32), ResultCode> {
        let message = self.0.message(number);
        let message = message.filter(|(_, line)| self.is_usable(*line));
        message.ok_or(ResultCode::ERANGE)
    }

    /// Sets a pin to edge or level (mode bits of abi/05).
    ///
    /// # Errors
    /// EINVAL for a pin that user mode cannot have, and for falling edges and
    /// low levels, which shared interrupts of a GIC cannot be.
    pub fn set_mode(&self, pin: u32, mode: u64) -> Result<(), ResultCode> {
        if !self.is_usable(pin) {
            return Err(ResultCode::EINVAL);
        }
        let mode = Mode::from_bits_retain(mode);
        if !mode.contains(Mode::SET) {
            return Ok(());
        }
        if mode.intersects(Mode::LOW | Mode::BOTH) {
            return Err(ResultCode::EINVAL);
        }
        self.distributor()
            .set_edge(pin, !mode.contains(Mode::LEVEL));
        Ok(())
    }

    /// The mode bits of a pin.
    pub fn mode(&self, pin: u32) -> u64 {
        let is_level = self.is_usable(pin) && !self.distributor().is_edge(pin);
        let mut mode = Mode::SET;
        mode.set(Mode::LEVEL, is_level);
        mode.bits()
    }

    /// Keeps a pin's interrupts back.
    pub fn mask(&self, pin: u32) {
        if self.is_usable(pin) {
            self.distributor().disable(pin);
        }
    }

    /// Lets a pin's interrupts through.
    pub fn unmask(&self, pin: u32) {
        if self.is_usable(pin) {
            self.distributor().enable(pin);
        }
    }

    /// Ends the handling of an interrupt that was claimed.
    #[inline]
    pub fn acknowledge(&self, pin: u32) {
        self.end(pin);
    }

    /// Sends a pin's interrupts to the CPU with this hardware id.
    pub fn route(&self, pin: u32, hardware_id: u64) {
        if self.is_usable(pin) {
            self.0.route(pin, hardware_id);
        }
    }

    /// Interrupts the CPU with this hardware id ([`IPI`]).
    pub(super) fn send_ipi(&self, hardware_id: u64) {
        self.0.send_ipi(hardware_id);
    }
}
