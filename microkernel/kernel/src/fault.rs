//! Page faults and exceptions of user mode: the kernel calls the pager or the
//! exception handler in the thread's name (abi/03 §6, §7).

use l4_abi::error::IpcError;
use l4_abi::exception::ALLOW_SYSCALL;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::ReceiveBuffer;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::label;
use l4_abi::timeout::TimeoutPair;
use l4_abi::utcb::{BUFFER_DESCRIPTOR_OFFSET, BUFFERS_OFFSET, BufferDescriptor};
use l4_abi::vcpu::StateFlags;
use machine::context::EXCEPTION_WORDS;
use machine::trap::Fault;
use machine::utcb::Utcb;

use crate::cpu::{Cpu, CpuLocal};
use crate::ipc::Request;
use crate::ipc::finish::FaultAnswer;
use crate::object::thread::{Deferred, Purpose, Source, Stop, Thread, Waiting};
use crate::scheduling;
use crate::syscall;

const BDR: usize = BUFFER_DESCRIPTOR_OFFSET / 8;
const BR0: usize = BUFFERS_OFFSET / 8;
const BR1: usize = BR0 + 1;

/// The words of a thread's UTCB that the kernel's own message replaces.
#[derive(Clone, Copy, Debug)]
pub struct SavedMessage {
    message: [u64; 2],
    descriptor: u64,
    buffers: [u64; 2],
}

impl SavedMessage {
    /// Saves them, and opens the whole address space for the reply's items.
    fn take(utcb: &Utcb) -> Self {
        let saved = Self {
            message: [utcb.word(0), utcb.word(1)],
            descriptor: utcb.word(BDR),
            buffers: [utcb.word(BR0), utcb.word(BR1)],
        };
        utcb.set_word(BDR, BufferDescriptor::DEFAULT.inheriting_fpu().raw());
        utcb.set_word(BR0, ReceiveBuffer::WINDOW_WORD);
        utcb.set_word(BR1, Flexpage::ALL_SPACES.raw());
        saved
    }

    fn restore(&self, utcb: &Utcb) {
        utcb.set_word(0, self.message[0]);
        utcb.set_word(1, self.message[1]);
        utcb.set_word(BDR, self.descriptor);
        utcb.set_word(BR0, self.buffers[0]);
        utcb.set_word(BR1, self.buffers[1]);
    }
}

/// The current thread did what its CPU would not do.
pub fn fault(cpu: &Cpu, fault: &Fault) {
    let Some(thread) = cpu.current.get(cpu) else {
        return;
    };
    match *fault {
        Fault::FpuUnavailable => {
            if !thread.may_use_fpu(cpu) || scheduling::give_fpu(cpu, thread).is_err() {
                report_exception(cpu, thread);
            }
        }
        Fault::Page {
            address,
            bits,
            beyond_user,
        } => {
            if thread.enter_with_fault(cpu, StateFlags::PAGE_FAULTS) {
                return;
            }
            let Some(task) = thread.task(cpu) else {
                return;
            };
            if task.memory.is_physical() {
                if beyond_user || !task.memory.map_identity(cpu, address) {
                    report_exception(cpu, thread);
                }
            } else if beyond_user || thread.state(cpu).is_alien.get() {
                report_exception(cpu, thread);
            } else {
                report_page_fault(cpu, thread, address, bits);
            }
        }
        Fault::Exception {
            port_access_possible,
        } => {
            let task = thread.running_task(cpu).get(cpu);
            let ports_loaded =
                port_access_possible && task.is_some_and(|task| task.ports.load(cpu));
            if !ports_loaded {
                report_exception(cpu, thread);
            }
        }
    }
}

/// Goes to the thread's trampoline, or calls its pager.
fn report_page_fault(cpu: &Cpu, thread: &Thread, address: u64, bits: u64) {
    let fault = address & !7 | bits;
    if thread.enter_trampoline(cpu, fault) {
        return;
    }
    let state = thread.state(cpu);
    thread.hold_messages(cpu);
    let utcb = thread.utcb(cpu);
    state
        .purpose
        .set(Purpose::PageFault(SavedMessage::take(utcb)));
    utcb.set_word(0, fault);
    utcb.set_word(1, state.context.frame.ip());
    report(cpu, thread);
}

/// The system call of the current thread is an exception.
pub fn report_syscall(cpu: &Cpu, thread: &Thread) {
    let frame = &thread.state(cpu).context.frame;
    frame.rewind_syscall();
    frame.mark_syscall_exception();
    report_exception(cpu, thread);
}

/// Enters the vCPU with the exception, or calls the thread's exception
/// handler. The registers go from the thread's frame straight to the vCPU's
/// state or to the handler's UTCB.
pub fn report_exception(cpu: &Cpu, thread: &Thread) {
    if thread.enter_with_fault(cpu, StateFlags::EXCEPTIONS) {
        return;
    }
    thread.hold_messages(cpu);
    let saved = SavedMessage::take(thread.utcb(cpu));
    thread.state(cpu).purpose.set(Purpose::Exception(saved));
    report(cpu, thread);
}

/// Sends the message about the fault of `thread`: now, or again on the CPU
/// that it has come to for it.
pub fn report(cpu: &Cpu, thread: &Thread) {
    let state = thread.state(cpu);
    let (slot, tag) = match state.purpose.get() {
        Purpose::Syscall | Purpose::Upcall => return,
        Purpose::PageFault(_) => {
            let tag = MessageTag::words_only(label::PAGE_FAULT, 2);
            (state.pager.get(), tag)
        }
        Purpose::Exception(_) => {
            let tag = MessageTag::new(label::EXCEPTION, EXCEPTION_WORDS, 0, TagFlags::TRANSFER_FPU);
            (state.exception_handler.get(), tag)
        }
    };
    let handler = thread
        .task(cpu)
        .and_then(|task| task.capabilities.lookup(cpu, slot));
    let request = Request {
        receive: Some(Source::Nobody),
        ..Request::new(tag, TimeoutPair::NEVER)
    };
    match handler {
        Some(handler) => syscall::call_for(cpu, thread, handler, request),
        None if tag.label() == label::PAGE_FAULT => thread.kill(cpu),
        None => {
            // It waits for ever, until an ex_regs with CANCEL.
            state.waiting.set(Waiting::Receive(Source::Nobody));
            cpu.reschedule.set(true);
        }
    }
}

/// Reports an exception that no fault caused.
pub fn stop(cpu: &Cpu, thread: &Thread, stop: Stop) {
    let frame = &thread.state(cpu).context.frame;
    match stop {
        Stop::Triggered => frame.mark_triggered(),
        Stop::SyscallExecuted => frame.mark_syscall_executed(),
    }
    report_exception(cpu, thread);
}

/// The exchange that reported a fault of `thread` is over.
pub fn answered(cpu: &Cpu, thread: &Thread, purpose: Purpose, answer: FaultAnswer) {
    let state = thread.state(cpu);
    thread.release_messages(cpu);
    match purpose {
        Purpose::Syscall | Purpose::Upcall => {}
        Purpose::PageFault(saved) => {
            saved.restore(thread.utcb(cpu));
            let unhandled = match answer {
                FaultAnswer::Reply(tag) => tag.label() < 0,
                FaultAnswer::Failed(error) => error == IpcError::NOT_EXISTENT,
            };
            if unhandled {
                state.deferred.set(Deferred::Exception);
                // Now, if it is the current thread: it must not get to user mode before.
                cpu.reschedule.set(true);
            }
        }
        Purpose::Exception(saved) => {
            let utcb = thread.utcb(cpu);
            let message = [utcb.word(0), utcb.word(1)];
            saved.restore(utcb);
            utcb.set_word(0, message[0]);
            utcb.set_word(1, message[1]);
            match answer {
                FaultAnswer::Reply(tag) if tag.label() == ALLOW_SYSCALL => {
                    state.allow_syscall.set(true);
                }
                FaultAnswer::Reply(_) => {}
                // The exception comes again. If its registers are such that it does not even get
                // to user mode before, nothing else would let an interrupt in.
                FaultAnswer::Failed(_) if CpuLocal::has_waiting_interrupt(cpu) => {
                    cpu.paused.set(true);
                    cpu.reschedule.set(true);
                }
                FaultAnswer::Failed(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
