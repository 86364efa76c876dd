//! How a thread starts, is stopped, and ends.

use l4_abi::error::IpcError;
use l4_abi::utcb::FREE_MARKER_OFFSET;
use machine::context::Context;
use machine::utcb::UtcbPointer;

use super::{Deferred, Life, Thread, Waiting};
use crate::cpu::Cpu;
use crate::ipc;
use crate::object::task::Task;
use crate::object::{Outcome, Ref};
use crate::scheduling;

impl Thread {
    /// Takes it out of whatever it waits for, without telling it.
    pub fn stop_waiting(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        cpu.timeouts.remove(cpu, self);
        match state.waiting.replace(Waiting::Nothing) {
            Waiting::Nothing | Waiting::Receive(_) => {}
            Waiting::Send => {
                if let Some(receiver) = state.receiver.get(cpu) {
                    receiver.state(cpu).senders.remove(self);
                    receiver.sender_left(cpu);
                }
                state.receiver.set(None);
            }
            Waiting::Gate => {
                if let Some(gate) = state.gate.replace(None) {
                    gate.forget(self);
                }
            }
            Waiting::Semaphore => {
                if let Some(semaphore) = state.semaphore.replace(None) {
                    semaphore.forget(self);
                }
            }
        }
        ipc::reply::end_answer(cpu, self);
    }

    /// Ends the wait that it is in, if it is in one, with the error for the
    /// phase; it is ready then.
    pub fn cancel(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        let error = match (state.waiting.get(), state.deferred.get()) {
            (Waiting::Send | Waiting::Gate, _) => IpcError::SEND_CANCELED,
            (Waiting::Receive(_) | Waiting::Semaphore, _) => IpcError::RECEIVE_CANCELED,
            // Its wait is over, but it has not got on.
            (Waiting::Nothing, Deferred::Gate) => IpcError::SEND_CANCELED,
            (Waiting::Nothing, Deferred::Receive) => IpcError::RECEIVE_CANCELED,
            (Waiting::Nothing, Deferred::Exception) => {
                state.deferred.set(Deferred::Nothing);
                return;
            }
            // Not an IPC: what is done stays, the rest is left.
            (Waiting::Nothing, Deferred::Syscall) => {
                state.deferred.set(Deferred::Nothing);
                self.give_up_operation(cpu);
                return;
            }
            // In user mode, as far as anybody can tell.
            (Waiting::Nothing, Deferred::Nothing | Deferred::Upcall) => return,
        };
        state.deferred.set(Deferred::Nothing);
        ipc::abort(cpu, self, error);
        state.gate.replace(None);
    }

    /// Its time to wait is over.
    pub fn time_out(&self, cpu: &Cpu) {
        let error = match self.state(cpu).waiting.get() {
            Waiting::Nothing => return,
            Waiting::Send | Waiting::Gate => IpcError::SEND_TIMEOUT,
            Waiting::Receive(_) | Waiting::Semaphore => IpcError::RECEIVE_TIMEOUT,
        };
        ipc::abort(cpu, self, error);
    }

    /// Ends it: nobody can send to it any more, and it does not run again.
    pub fn kill(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        if state.life.replace(Life::Dead) == Life::Dead {
            return;
        }
        self.stop_waiting(cpu);
        state.deferred.set(Deferred::Nothing);
        self.give_up_operation(cpu);
        scheduling::forget(cpu, self);
        while let Some(sender) = state.senders.front(cpu) {
            ipc::abort(cpu, sender, IpcError::SEND_CANCELED);
        }
        while let Some(irq) = state.irqs.front(cpu) {
            irq.receiver_died(cpu);
        }
        ipc::reply::lose_caller(cpu, &state.reply);
        if let Some(utcb) = state.utcb.take() {
            utcb.get(cpu).set_word(FREE_MARKER_OFFSET / 8, 0);
        }
        state.deletion_irq.replace(None);
        state.vcpu.release();
        state.trampoline.release();
        if let Some(task) = self.task.replace(None) {
            task.thread_left(cpu);
        }
    }

    /// Its last capability is gone.
    pub fn destroy(&self, cpu: &Cpu) {
        self.kill(cpu);
        self.release_cursor(cpu);
        self.state(cpu).fpu.release(cpu, self);
    }

    /// Binds it to `task`, for good, with the UTCB at `address` there.
    pub fn start_in(&self, cpu: &Cpu, task: Ref<Task>, address: u64, utcb: UtcbPointer) {
        let state = self.state(cpu);
        state.utcb.set(Some(utcb));
        state.context.set_utcb(address);
        Context::prepare_utcb(utcb.get(cpu), address);
        task.thread_joined();
        self.task.replace(Some(task));
        scheduling::make_ready(cpu, self);
    }

    /// Makes its system calls exceptions, or not any more.
    pub fn set_alien(&self, cpu: &Cpu, alien: bool) {
        let state = self.state(cpu);
        state.is_alien.set(alien);
        let intercepts = alien || state.vcpu.is_in_user_task();
        state.intercepts_syscalls.set(intercepts);
    }

    /// Gives it an instruction pointer, which makes a new thread ready.
    pub fn resurrect(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        if state.life.get() == Life::New {
            state.life.set(Life::Alive);
            scheduling::make_ready(cpu, self);
        }
    }

    /// Whether its exception waits for a handler, which ex_regs respects.
    pub(super) fn is_in_exception(&self, cpu: &Cpu) -> bool {
        let state = self.state(cpu);
        matches!(state.purpose.get(), super::Purpose::Exception(_))
            && state.waiting.get() != Waiting::Nothing
    }

    /// Direct switch to it, if it is ready; else the next in turn.
    pub(super) fn switch_to(&self, cpu: &Cpu) -> Outcome {
        if !cpu.current.is(self) {
            if self.is_runnable(cpu) {
                scheduling::run_now(cpu, self);
            } else {
                cpu.reschedule.set(true);
            }
        }
        Outcome::OK
    }
}
