//! Page faults and exceptions of user mode: the kernel calls the pager or the
//! exception handler in the thread's name (abi/03 §6, §7).

use l4_abi::error::IpcError;
use l4_abi::exception::ALLOW_SYSCALL;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::label;
use l4_abi::timeout::TimeoutPair;
use l4_abi::vcpu::StateFlags;
use machine::context::EXCEPTION_WORDS;
use machine::trap::Fault;

use crate::cpu::Cpu;
use crate::ipc::Request;
use crate::object::thread::{Deferred, Purpose, Source, Stop, Thread, Waiting};
use crate::{scheduling, syscall};

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
        Fault::Port { port } => {
            let task = thread.running_task(cpu);
            if !task.is_some_and(|task| task.ports.load(cpu, port)) {
                report_exception(cpu, thread);
            }
        }
        Fault::Exception => report_exception(cpu, thread),
    }
}

/// Goes to the thread's trampoline, or calls its pager.
fn report_page_fault(cpu: &Cpu, thread: &Thread, address: u64, bits: u64) {
    let fault = address & !7 | bits;
    if thread.enter_trampoline(cpu, fault) {
        return;
    }
    thread.hold_messages(cpu);
    thread.state(cpu).purpose.set(Purpose::PageFault(fault));
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
    thread.state(cpu).purpose.set(Purpose::Exception);
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
        Purpose::Exception => {
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
            thread.set_waiting(cpu, Waiting::Receive(Source::Nobody));
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

/// The exchange that reported a fault of `thread` is over: this was the answer.
pub fn answered(
    cpu: &Cpu,
    thread: &Thread,
    purpose: Purpose,
    answer: Result<MessageTag, IpcError>,
) {
    let state = thread.state(cpu);
    thread.release_messages(cpu);
    match purpose {
        Purpose::Syscall | Purpose::Upcall => {}
        Purpose::PageFault(_) => {
            let unhandled = match answer {
                Ok(tag) => tag.label() < 0,
                Err(error) => error == IpcError::NOT_EXISTENT,
            };
            if unhandled {
                state.deferred.set(Deferred::Exception);
                // Now, if it is the current thread: it must not get to user mode before.
                cpu.reschedule.set(true);
            }
        }
        Purpose::Exception => {
            let allows_syscall = answer.is_ok_and(|tag| tag.label() == ALLOW_SYSCALL);
            if allows_syscall {
                state.allow_syscall.set(true);
            }
        }
    }
}

#[cfg(test)]
mod tests;
