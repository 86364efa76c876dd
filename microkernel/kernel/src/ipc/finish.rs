//! How an operation ends for a thread, which need not be the one that runs:
//! results go into its registers and its UTCB, or to the fault that its
//! message reported.

use l4_abi::error::IpcError;
use l4_abi::message_tag::MessageTag;
use l4_abi::utcb::ERROR_OFFSET;

use super::Request;
use crate::cpu::Cpu;
use crate::fault;
use crate::object::thread::{Purpose, Thread};

/// How the exchange of a fault message ended.
pub enum FaultAnswer {
    /// With a reply.
    Reply(MessageTag),
    /// With an IPC error.
    Failed(IpcError),
}

/// `receiver` got the message of `request`, or the part of it that was
/// transferred before the error.
pub fn received(cpu: &Cpu, receiver: &Thread, request: &Request, result: Result<(), IpcError>) {
    let tag = request.tag.without_error();
    let state = receiver.state(cpu);
    let purpose = state.purpose.replace(Purpose::Syscall);
    match (purpose, result) {
        (Purpose::Syscall, Ok(())) => {
            state.context.frame.set_tag(tag.raw());
            state.context.frame.set_label(request.label);
        }
        (Purpose::Upcall, result) => {
            let tag = match result {
                Ok(()) => tag,
                Err(error) => {
                    let utcb = receiver.utcb(cpu);
                    utcb.set_word(ERROR_OFFSET / 8, error.for_receiver().word());
                    tag.with_error()
                }
            };
            if let Some(area) = receiver.vcpu_area(cpu) {
                area.set_tag(tag);
                area.set_label(request.label);
            }
        }
        (Purpose::Syscall, Err(error)) => {
            let utcb = receiver.utcb(cpu);
            utcb.set_word(ERROR_OFFSET / 8, error.for_receiver().word());
            state.context.frame.set_tag(tag.with_error().raw());
            state.context.frame.set_label(request.label);
        }
        (_, Ok(())) => fault::answered(cpu, receiver, purpose, FaultAnswer::Reply(tag)),
        (_, Err(error)) => {
            let answer = FaultAnswer::Failed(error.for_receiver());
            fault::answered(cpu, receiver, purpose, answer);
        }
    }
}

/// `receiver` got the message of an interrupt: no words, no label in the tag.
pub fn received_irq(cpu: &Cpu, receiver: &Thread, label: u64) {
    let state = receiver.state(cpu);
    if matches!(state.purpose.get(), Purpose::Upcall) {
        state.purpose.set(Purpose::Syscall);
        if let Some(area) = receiver.vcpu_area(cpu) {
            area.set_tag(MessageTag::EMPTY);
            area.set_label(label);
        }
        return;
    }
    state.context.frame.set_tag(MessageTag::EMPTY.raw());
    state.context.frame.set_label(label);
}

/// The operation of `thread` failed. The tag of a failed send is empty, that
/// of a failed receive is the caller's own (abi/01).
pub fn failed(cpu: &Cpu, thread: &Thread, error: IpcError) {
    let state = thread.state(cpu);
    match state.purpose.replace(Purpose::Syscall) {
        Purpose::Syscall => {
            thread.utcb(cpu).set_word(ERROR_OFFSET / 8, error.word());
            let tag = if error.is_receive() {
                MessageTag::from_raw(state.context.frame.tag()).with_error()
            } else {
                MessageTag::SEND_FAILED
            };
            state.context.frame.set_tag(tag.raw());
        }
        Purpose::Upcall => {
            thread.utcb(cpu).set_word(ERROR_OFFSET / 8, error.word());
            if let Some(area) = thread.vcpu_area(cpu) {
                area.set_tag(area.tag().with_error());
            }
        }
        purpose => fault::answered(cpu, thread, purpose, FaultAnswer::Failed(error)),
    }
}
