//! The way by which an interrupt that a thread triggers enters a vCPU, in a straight
//! line.

use l4_abi::message_tag::MessageTag;
use l4_abi::vcpu::StateFlags;
use machine::per_cpu::ShortWay;

use crate::cpu::Cpu;
use crate::object::thread::{Deferred, Thread, ThreadState, Waiting, standing::Standing};

/// Puts the registers of the entry that `thread`, which is switched to, has put
/// off where it goes on, if it has.
#[inline(always)]
pub fn go_on(cpu: &Cpu, state: &ThreadState) -> ShortWay {
    match state.vcpu.area(cpu) {
        Some(area) if state.deferred.get() == Deferred::Entry => {
            state.deferred.set(Deferred::Nothing);
            let (stack, address) = (area.reserved_stack(), state.vcpu.address.get());
            (state.context.frame).enter_at_once(area.entry_instruction(), stack, address)
        }
        _ => ShortWay::ToTheFrame,
    }
}

/// The message of an interrupt enters the vCPU, if that takes messages in its
/// user task, and is not the current thread. It has the registers of the entry
/// when it goes on.
#[inline(always)]
pub fn interrupt(cpu: &Cpu, thread: &Thread, label: u64) -> bool {
    let Some(state) = thread.stands(cpu, Standing::Intercepted) else {
        return false;
    };
    let in_user_task = state.vcpu.is_in_user_task();
    // There it waits for nothing.
    debug_assert!(!in_user_task || state.waiting.get() == Waiting::Nothing);
    let Some(area) = state.vcpu.area(cpu) else {
        return false;
    };
    let flags = area.state();
    let takes = in_user_task && state.deferred.get() == Deferred::Nothing;
    if !(takes && flags.contains(StateFlags::IRQ)) {
        return false;
    }
    let save = || state.context.frame.save_for_message(&area.registers);
    thread.leave_for_entry(cpu, (state, area), [false, true], flags, save);
    area.set_tag(MessageTag::EMPTY);
    area.set_label(label);
    state.deferred.set(Deferred::Entry);
    true
}
