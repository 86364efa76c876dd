//! The interrupt controller's pins, and what is bound to them (abi/05). The
//! same object is platform control.
//!
//! Message-signalled interrupts are *lines* of the chip like its pins; only
//! requests name them otherwise, by [`PIN_MSI`].

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use l4_abi::error::ResultCode;
use l4_abi::protocol::icu::{FEATURE_MSI, Mode, Opcode, PIN_MSI};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use machine::irqchip::IrqChip;
use machine::lock::Lock;

use super::irq::Irq;
use super::semaphore::Semaphore;
use super::{Common, Fail, Header, Invocation, OperationResult, Outcome, ensure, platform_control};
use crate::cpu::Cpu;
use crate::kernel::PIN_SLOTS;

/// A place for what is bound to a pin.
pub type PinSlot = machine::object::Slot<Common>;

/// The pin that an IRQ sender or a semaphore is bound to, and whether it lets
/// interrupts through.
pub struct PinBinding {
    pin: AtomicU32,
    /// Locked while the chip is told, so that it has been told the last of what
    /// several CPUs say at the same time.
    enabled: Lock<bool>,
}

/// No pin: only software triggers it.
const NO_PIN: u32 = u32::MAX;
/// The log's pin: input is there.
pub const INPUT_PIN: u32 = PIN_SLOTS as u32 - 1;
/// The scheduler's pin: a CPU came or went.
pub const HOTPLUG_PIN: u32 = PIN_SLOTS as u32 - 2;

impl PinBinding {
    /// Bound to no pin.
    pub const fn new(enabled: bool) -> Self {
        Self {
            pin: AtomicU32::new(NO_PIN),
            enabled: Lock::new(enabled),
        }
    }

    /// The pin, if it is a line of the chip's.
    pub fn chip_pin(&self, cpu: &Cpu) -> Option<u32> {
        let pin = self.pin.load(Relaxed);
        (pin < cpu.kernel.platform.chip.lines()).then_some(pin)
    }

    /// Does something about the pin, if it is a line of the chip's.
    fn at_chip(&self, cpu: &Cpu, act: impl FnOnce(&IrqChip, u32)) {
        if let Some(pin) = self.chip_pin(cpu) {
            act(&cpu.kernel.platform.chip, pin);
        }
    }

    /// True if only software triggers it.
    pub fn is_unbound(&self) -> bool {
        self.pin.load(Relaxed) == NO_PIN
    }

    /// True if the pin is level-triggered.
    pub fn is_level(&self, cpu: &Cpu) -> bool {
        self.chip_pin(cpu)
            .is_some_and(|pin| cpu.kernel.platform.chip.mode(pin) & Mode::LEVEL.bits() != 0)
    }

    /// Lets no interrupt through.
    pub fn mask(&self, cpu: &Cpu) {
        let mut enabled = self.enabled.lock();
        *enabled = false;
        self.at_chip(cpu, IrqChip::mask);
    }

    /// Lets interrupts through.
    pub fn unmask(&self, cpu: &Cpu) {
        let mut enabled = self.enabled.lock();
        if !core::mem::replace(&mut *enabled, true) {
            self.at_chip(cpu, IrqChip::unmask);
        }
    }

    /// True if it lets interrupts through.
    pub fn is_enabled(&self) -> bool {
        *self.enabled.lock()
    }

    /// Its interrupts come to CPU `id`.
    pub fn route(&self, cpu: &Cpu, id: u32) {
        self.at_chip(cpu, |chip, pin| chip.route(pin, cpu.kernel.hardware_id(id)));
    }

    /// Leaves its pin, which is masked then.
    pub fn release(&self, cpu: &Cpu) {
        let _guard = cpu.kernel.pin_lock.lock();
        self.leave(cpu);
    }

    /// As `release`, under the lock of the pins.
    fn leave(&self, cpu: &Cpu) {
        let _enabled = self.enabled.lock();
        let chip_pin = self.chip_pin(cpu);
        let pin = self.pin.swap(NO_PIN, Relaxed);
        if let Some(pin) = chip_pin {
            cpu.kernel.platform.chip.mask(pin);
        }
        if let Some(slot) = cpu.kernel.pin_slot(pin) {
            slot.replace(None);
        }
    }

    /// Takes over `pin`, in whose slot it is already.
    fn set(&self, cpu: &Cpu, pin: u32) {
        let enabled = self.enabled.lock();
        self.pin.store(pin, Relaxed);
        self.route(cpu, cpu.id());
        self.at_chip(
            cpu,
            match *enabled {
                true => IrqChip::unmask,
                false => IrqChip::mask,
            },
        );
    }
}

/// The pin binding of an object that can be bound to one.
fn binding(header: &Header) -> Result<&PinBinding, Fail> {
    if let Some(irq) = header.downcast::<Irq>() {
        Ok(&irq.pin)
    } else if let Some(semaphore) = header.downcast::<Semaphore>() {
        Ok(&semaphore.pin)
    } else {
        Err(ResultCode::EINVAL.into())
    }
}

/// Triggers what is bound to a pin.
pub fn hit(cpu: &Cpu, pin: u32) {
    let slot = cpu.kernel.pin_slot(pin);
    match slot.and_then(|slot| slot.get(cpu)) {
        Some((header, _)) => {
            if let Some(irq) = header.downcast::<Irq>() {
                irq.interrupt(cpu);
            } else if let Some(semaphore) = header.downcast::<Semaphore>() {
                semaphore.hit(cpu);
            }
        }
        None => {
            let _guard = cpu.kernel.pin_lock.lock();
            // Another CPU may have bound it meanwhile.
            if slot.is_none_or(PinSlot::is_empty) {
                cpu.kernel.platform.chip.mask(pin);
            }
        }
    }
}

/// The ICU operations of an object with so many pins and messages.
pub fn invoke_pins(
    call: &Invocation<'_>,
    pins: u32,
    messages: u32,
    pin_of: impl Fn(u64) -> Option<u32>,
) -> OperationResult {
    call.require_words(1, ResultCode::EMSGTOOSHORT)?;
    let pin = || pin_of(call.word(1)).ok_or(ResultCode::EINVAL);
    match Opcode::from_word(call.word(0)) {
        Some(Opcode::Bind) => {
            call.require_words(2, ResultCode::EMSGTOOSHORT)?;
            ensure(call.tag.items() > 0, ResultCode::EMSGTOOSHORT)?;
            bind(call, pin())
        }
        Some(Opcode::Unbind) => {
            call.require_words(2, ResultCode::EMSGTOOSHORT)?;
            ensure(call.tag.items() > 0, ResultCode::EMSGTOOSHORT)?;
            let slot = pin_slot(call, pin()?)?;
            let _guard = call.cpu.kernel.pin_lock.lock();
            if let Some((bound, _)) = slot.get(call.cpu) {
                binding(bound)?.leave(call.cpu);
            }
            Ok(Outcome::OK)
        }
        Some(Opcode::Info) => {
            call.reply(0, if messages > 0 { FEATURE_MSI } else { 0 });
            call.reply(1, u64::from(pins));
            call.reply(2, u64::from(messages));
            Ok(Outcome::words(3))
        }
        Some(Opcode::MsiInfo) => {
            call.require_words(3, ResultCode::EMSGTOOSHORT)?;
            ensure(messages > 0, ResultCode::ENOSYS)?;
            let number = u32::try_from(call.word(1) & !PIN_MSI).unwrap_or(u32::MAX);
            let (address, data) = call.cpu.kernel.platform.chip.msi_info(number)?;
            call.reply(0, address);
            call.reply(1, u64::from(data));
            Ok(Outcome::words(2))
        }
        Some(operation @ (Opcode::Unmask | Opcode::Mask)) => {
            call.require_words(2, ResultCode::EMSGTOOSHORT)?;
            if let Ok(pin) = pin()
                && let Some((bound, _)) = pin_slot(call, pin)?.get(call.cpu)
            {
                if operation == Opcode::Unmask {
                    binding(bound)?.unmask(call.cpu);
                } else {
                    binding(bound)?.mask(call.cpu);
                }
            }
            Ok(Outcome::NO_REPLY)
        }
        Some(Opcode::SetMode) => {
            call.require_words(3, ResultCode::EMSGTOOSHORT)?;
            let pin = pin()?;
            if pin < call.cpu.kernel.platform.chip.lines() && call.word(2) & Mode::SET.bits() != 0 {
                call.cpu.kernel.platform.chip.set_mode(pin, call.word(2))?;
            }
            Ok(Outcome::OK)
        }
        None => Err(ResultCode::ENOSYS.into()),
    }
}

fn pin_slot<'a>(call: &'a Invocation<'_>, pin: u32) -> Result<&'a PinSlot, Fail> {
    call.cpu
        .kernel
        .pin_slot(pin)
        .ok_or(ResultCode::EINVAL.into())
}

fn bind(call: &Invocation<'_>, pin: Result<u32, ResultCode>) -> OperationResult {
    let entry = call.capability_at(call.tag.words())?;
    ensure(
        entry.rights.contains(CapabilityRights::WRITE),
        ResultCode::EPERM,
    )?;
    let own = binding(entry.object)?;
    let _guard = call.cpu.kernel.pin_lock.lock();
    // Off the old pin, even if what follows fails (abi/05).
    own.leave(call.cpu);
    let pin = pin?;
    let slot = pin_slot(call, pin)?;
    let is_free = slot.is_empty() && !entry.object.common().is_doomed();
    ensure(is_free, ResultCode::EINVAL)?;
    slot.replace(Some((entry.object.any_ref(), 0)));
    own.set(call.cpu, pin);
    Ok(Outcome::OK)
}

/// The interrupt controller, which is platform control too.
pub struct Icu;

impl Icu {
    /// Performs an operation.
    #[inline(never)]
    pub fn invoke(&self, call: &Invocation<'_>) -> OperationResult {
        match call.tag.label() {
            label::IRQ => {
                let chip = &call.cpu.kernel.platform.chip;
                let line = |name: u64| {
                    let number = u32::try_from(name & !PIN_MSI).ok()?;
                    match name & PIN_MSI {
                        0 => (number < chip.pins()).then_some(number),
                        _ => chip.msi_line(number),
                    }
                };
                invoke_pins(call, chip.pins(), chip.msis(), line)
            }
            label::NONE => platform_control::invoke(call),
            _ => Err(ResultCode::EBADPROTO.into()),
        }
    }
}
