//! Messages of interrupts.

use super::finish;
use crate::cpu::Cpu;
use crate::object::thread::{Source, Thread, Waiting};
use crate::{scheduling, trace};

/// Hands the message of the interrupt `id` to `receiver`, if that waits for
/// it right now.
pub fn deliver(cpu: &Cpu, receiver: &Thread, id: u64, label: u64) -> bool {
    let state = receiver.state(cpu);
    match state.waiting.get() {
        Waiting::Receive(Source::Anyone) => {}
        Waiting::Receive(Source::Irq(wanted)) if wanted == id => {}
        Waiting::Nothing if receiver.takes_upcall(cpu) => {
            receiver.begin_upcall(cpu);
            trace::irq_message(cpu, receiver, id, label);
            finish::received_irq(cpu, receiver, label);
            return true;
        }
        _ => return false,
    }
    cpu.timeouts.remove(cpu, receiver);
    state.waiting.set(Waiting::Nothing);
    trace::irq_message(cpu, receiver, id, label);
    finish::received_irq(cpu, receiver, label);
    scheduling::make_ready(cpu, receiver);
    true
}
