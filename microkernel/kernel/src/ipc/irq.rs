//! Messages of interrupts.

use super::finish;
use crate::cpu::Cpu;
use crate::object::thread::{Source, Thread, Waiting};
use crate::trace;

/// What became of an interrupt's message.
pub enum Delivery {
    /// It has to wait.
    Refused,
    /// It entered a vCPU, which is ready already.
    Entered,
    /// Who waited for it has it, and is to be made ready.
    Received,
}

/// Hands the message of the interrupt `id` to `receiver`, if that waits for
/// it right now.
pub fn deliver(cpu: &Cpu, receiver: &Thread, id: u64, label: u64) -> Delivery {
    let state = receiver.state(cpu);
    match state.waiting.get() {
        Waiting::Receive(Source::Anyone) => {}
        Waiting::Receive(Source::Irq(wanted)) if wanted == id => {}
        Waiting::Nothing if receiver.enter_with_irq(cpu, label) => {
            trace::irq_message(cpu, receiver, id, label);
            return Delivery::Entered;
        }
        _ => return Delivery::Refused,
    }
    cpu.timeouts.remove(cpu, receiver);
    receiver.set_waiting(cpu, Waiting::Nothing);
    trace::irq_message(cpu, receiver, id, label);
    finish::received_irq(cpu, receiver, label);
    Delivery::Received
}
