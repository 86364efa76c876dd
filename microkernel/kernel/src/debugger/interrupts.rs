//! Interrupt pins, and what is bound to them.

use l4_abi::protocol::icu::Mode;

use super::command::Arguments;
use super::registry::{Label, kind};
use super::terminal::{Terminal, say, say_part};
use crate::cpu::Cpu;
use crate::object::Header;
use crate::object::icu::{HOTPLUG_PIN, INPUT_PIN, PinBinding};
use crate::object::irq::Irq;
use crate::object::semaphore::Semaphore;

/// The pins that something is bound to.
pub(super) fn list(cpu: &Cpu, terminal: &Terminal<'_>, _arguments: &mut Arguments<'_>) {
    let chip = &cpu.kernel.platform.chip;
    say!(terminal, "the chip has {} pins", chip.pins());
    for pin in (0..chip.lines()).chain([INPUT_PIN, HOTPLUG_PIN]) {
        let bound = cpu.kernel.pin_slot(pin).and_then(|slot| slot.get(cpu));
        let Some((header, _)) = bound else { continue };
        match pin {
            INPUT_PIN => say_part!(terminal, "  input of the log"),
            HOTPLUG_PIN => say_part!(terminal, "  CPUs of the scheduler"),
            pin => {
                let mode = Mode::from_bits_retain(cpu.kernel.platform.chip.mode(pin));
                let level = mode.contains(Mode::LEVEL);
                say_part!(
                    terminal,
                    "  pin {pin:>4}, {}",
                    if level { "level" } else { "edge" }
                );
            }
        }
        say!(terminal, ": {} {}", kind(header), Label(header));
        show_one(cpu, terminal, header);
    }
}

/// What is special of what can be bound to a pin; false for other objects.
pub(super) fn show_one(cpu: &Cpu, terminal: &Terminal<'_>, header: &Header) -> bool {
    let binding: &PinBinding = if let Some(irq) = header.downcast::<Irq>() {
        let status = irq.status();
        match irq.thread(cpu) {
            Some(thread) => say_part!(
                terminal,
                "    for thread #{}, label {:#x}",
                thread.id,
                irq.label()
            ),
            None => say_part!(terminal, "    for no thread"),
        }
        for (is_so, word) in [
            (status.queued, ", message queued"),
            (status.pending, ", triggered while unbound"),
            (status.overrun, ", triggered again meanwhile"),
        ] {
            say_part!(terminal, "{}", if is_so { word } else { "" });
        }
        &irq.pin
    } else if let Some(semaphore) = header.downcast::<Semaphore>() {
        say_part!(terminal, "    counter {}", semaphore.counter());
        &semaphore.pin
    } else {
        return false;
    };
    let masked = if binding.is_enabled() { "" } else { ", masked" };
    match binding.chip_pin(cpu) {
        Some(pin) => say!(terminal, ", pin {pin}{masked}"),
        None => say!(terminal, "{masked}"),
    }
    true
}
