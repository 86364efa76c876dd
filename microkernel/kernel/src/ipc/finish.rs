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

/// `receiver` got the message of `request`, or the part of it that was
/// transferred before the error.
pub fn received(cpu: &Cpu, receiver: &Thread, request: &Request, result: Result<(), IpcError>) {
    let tag = request.tag.without_error();
    let purpose = receiver.state(cpu).purpose.replace(Purpose::Syscall);
    let result = result.map_err(IpcError::for_receiver);
    if let Purpose::PageFault(_) | Purpose::Exception = purpose {
        return fault::answered(cpu, receiver, purpose, result.map(|()| tag));
    }
    let tag = match result {
        Ok(()) => tag,
        Err(error) => {
            let utcb = receiver.utcb(cpu);
            utcb.set_word(ERROR_OFFSET / 8, error.word());
            tag.with_error()
        }
    };
    tell(cpu, receiver, purpose, tag, request.label);
}

/// `receiver` got the message of an interrupt: no words, no label in the tag.
pub fn received_irq(cpu: &Cpu, receiver: &Thread, label: u64) {
    let purpose = receiver.state(cpu).purpose.get();
    if matches!(purpose, Purpose::Upcall) {
        receiver.state(cpu).purpose.set(Purpose::Syscall);
    }
    tell(cpu, receiver, purpose, MessageTag::EMPTY, label);
}

/// Tag and label of a message are where `receiver` looks for them: with the
/// registers, or in the state of the vCPU that it enters.
fn tell(cpu: &Cpu, receiver: &Thread, purpose: Purpose, tag: MessageTag, label: u64) {
    if matches!(purpose, Purpose::Upcall)
        && let Some(area) = receiver.vcpu_area(cpu)
    {
        area.set_tag(tag);
        area.set_label(label);
    } else {
        let frame = &receiver.state(cpu).context.frame;
        frame.set_tag(tag.raw());
        frame.set_label(label);
    }
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
        purpose => fault::answered(cpu, thread, purpose, Err(error)),
    }
}
