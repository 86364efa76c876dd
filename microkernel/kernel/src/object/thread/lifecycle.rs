//! How a thread starts, is stopped, and ends.

use l4_abi::error::IpcError;
use l4_abi::message_tag::MessageTag;
use l4_abi::utcb::FREE_MARKER_OFFSET;
use machine::context::Context;
use machine::utcb::UtcbPointer;

use super::{Deferred, Life, Thread, ThreadState, Waiting, end_waits};
use crate::cpu::{Cpu, CpuLocal};
use crate::object::task::Task;
use crate::object::{OperationResult, Outcome, Ref};
use crate::remote::{self, Errand};
use crate::{ipc, scheduling};

impl Thread {
    /// Takes it out of whatever it waits for, without telling it. False, and
    /// nothing is done, if another CPU has just ended the wait and says so
    /// soon.
    #[inline(always)]
    pub fn stop_waiting(&self, cpu: &Cpu) -> bool {
        let state = self.state(cpu);
        let stopped = match state.waiting.get() {
            Waiting::Nothing => true,
            Waiting::Receive(_) => ipc::reply::end_answer(cpu, self),
            Waiting::Send => {
                let receiver = state.receiver.get(cpu);
                receiver.is_some_and(|receiver| {
                    let left = receiver.mailbox.remove(cpu, self);
                    if left {
                        remote::sender_left(cpu, receiver);
                    }
                    left
                })
            }
            Waiting::Gate => {
                let gate = state.gate.get(cpu);
                gate.is_some_and(|gate| gate.forget(cpu, self))
            }
            Waiting::Semaphore => {
                let semaphore = state.semaphore.get(cpu);
                semaphore.is_some_and(|semaphore| semaphore.forget(cpu, self))
            }
            Waiting::Remote => true,
        };
        if stopped {
            self.waits_no_more(cpu);
        }
        stopped
    }

    /// Its wait is over: it is in no queue any more.
    pub fn waits_no_more(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        cpu.timeouts.remove(cpu, self);
        match self.set_waiting(cpu, Waiting::Nothing) {
            Waiting::Nothing | Waiting::Receive(_) => {}
            Waiting::Send => {
                // It may be about to leave for where the receiver would look.
                cpu.departures.remove(self);
                state.receiver.replace(None);
            }
            Waiting::Gate => drop(state.gate.replace(None)),
            Waiting::Semaphore => drop(state.semaphore.replace(None)),
            Waiting::Remote => {
                state.round.set(0);
                cpu.departures.remove(self);
            }
        }
    }

    /// What it waited for has come: the gate is bound, the semaphore raised.
    /// It is not in the queue any more.
    pub fn wait_granted(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        match state.waiting.get() {
            Waiting::Gate => {
                let gate = state.gate.replace(None);
                self.waits_no_more(cpu);
                state.gate.replace(gate);
                state.deferred.set(Deferred::Gate);
            }
            Waiting::Semaphore => {
                self.waits_no_more(cpu);
                if state.request.get().receive.is_some() {
                    state.context.frame.set_tag(MessageTag::EMPTY.raw());
                }
            }
            // It was killed meanwhile; another one may have the semaphore.
            _ => {
                if let Some(semaphore) = state.semaphore.replace(None) {
                    semaphore.up(cpu);
                }
            }
        }
        scheduling::make_ready(cpu, self);
    }

    /// Ends the wait that it is in, if it is in one, with the error for the
    /// phase; it is ready then.
    pub fn cancel(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        let error = match (state.waiting.get(), state.deferred.get()) {
            // What it waits for is not a part of its operation.
            (Waiting::Remote, _) if state.round.get() != 0 => return,
            (Waiting::Remote, Deferred::Receive) => IpcError::RECEIVE_CANCELED,
            (Waiting::Send | Waiting::Gate | Waiting::Remote, _) => IpcError::SEND_CANCELED,
            (Waiting::Receive(_) | Waiting::Semaphore, _) => IpcError::RECEIVE_CANCELED,
            // Its wait is over, but it has not got on.
            (Waiting::Nothing, Deferred::Gate | Deferred::Fault) => IpcError::SEND_CANCELED,
            (Waiting::Nothing, Deferred::Receive) => IpcError::RECEIVE_CANCELED,
            (Waiting::Nothing, Deferred::Syscall) if self.paused_partner(cpu).is_some() => {
                IpcError::SEND_CANCELED
            }
            // Not an IPC: what is done stays, the rest is left. A message that
            // has come meanwhile enters.
            (Waiting::Nothing, Deferred::Syscall | Deferred::Exception) => {
                state.deferred.set(Deferred::Upcall);
                self.give_up_operation(cpu);
                return;
            }
            // In user mode, as far as anybody can tell.
            (Waiting::Nothing, Deferred::Nothing | Deferred::Upcall | Deferred::Entry) => return,
        };
        let is_stopped = self.stop_waiting(cpu);
        // Nor does it go on to a gate that another CPU has just bound.
        state.gate.replace(None);
        if is_stopped {
            state.deferred.set(Deferred::Nothing);
            self.give_up_operation(cpu);
            ipc::finish::failed(cpu, self, error);
            scheduling::make_ready(cpu, self);
        }
    }

    /// Its time to wait is over.
    pub fn time_out(&self, cpu: &Cpu) {
        let error = match self.state(cpu).waiting.get() {
            Waiting::Nothing | Waiting::Remote => return,
            Waiting::Send | Waiting::Gate => IpcError::SEND_TIMEOUT,
            Waiting::Receive(_) | Waiting::Semaphore => IpcError::RECEIVE_TIMEOUT,
        };
        ipc::abort(cpu, self, error);
    }

    /// Ends it: nobody can send to it any more, and it does not run again. Who
    /// waits for it learns that by [`Thread::settle`], before the kernel is
    /// left.
    pub fn kill(&self, cpu: &Cpu) {
        if self.end(cpu) {
            cpu.dying.push_back(self);
        }
    }

    /// Ends it, and leaves it to the caller that it is settled. False if it
    /// was dead.
    fn end(&self, cpu: &Cpu) -> bool {
        let state = self.state(cpu);
        if state.life.replace(Life::Dead) == Life::Dead {
            return false;
        }
        if !self.stop_waiting(cpu) {
            // It was given the semaphore; that is passed on when the other
            // CPU has said so.
            let semaphore = state.semaphore.replace(None);
            self.waits_no_more(cpu);
            state.semaphore.replace(semaphore);
        }
        state.deferred.set(Deferred::Nothing);
        self.give_up_operation(cpu);
        scheduling::forget(cpu, self);
        self.mailbox.close();
        ipc::reply::lose_caller(cpu, &self.reply);
        let scrap = UtcbPointer::to_static(&cpu.kernel.scrap_utcb);
        let utcb = state.utcb.replace(scrap);
        utcb.get(cpu).set_word(FREE_MARKER_OFFSET / 8, 0);
        self.deletion_irq.replace(None);
        if state.vcpu.is_one() {
            state.vcpu.release();
            self.review(cpu);
        }
        state.trampoline.release();
        true
    }

    /// Lets those go on who wait for it, which is dead. False if that has to
    /// pause: to be called again.
    #[inline(always)]
    pub fn settle(&self, cpu: &Cpu) -> bool {
        if !end_waits(cpu, || self.mailbox.pop_sender(cpu), Errand::ReceiverDied) {
            return false;
        }
        while let Some(irq) = self.mailbox.irq(cpu) {
            irq.receiver_died(cpu, self);
            if CpuLocal::must_pause(cpu) {
                return false;
            }
        }
        if let Some(task) = self.task(cpu) {
            if !task.lose_callers(cpu, self) {
                return false;
            }
            self.task.replace(None);
        }
        cpu.dying.remove(self);
        true
    }

    /// Its last capability is gone. False if its end has to pause: to be
    /// called again.
    pub fn destroy(&self, cpu: &Cpu) -> bool {
        self.end(cpu);
        if !self.settle(cpu) {
            return false;
        }
        self.give_up_operation(cpu);
        self.state(cpu).fpu.release(cpu, self);
        true
    }

    /// Binds it to `task`, for good, with the UTCB at `address` there.
    #[inline(always)]
    pub fn start_in(
        &self,
        cpu: &Cpu,
        state: &ThreadState,
        task: Ref<Task>,
        address: u64,
        utcb: UtcbPointer,
    ) {
        state.utcb.set(utcb);
        state.context.set_utcb(address);
        Context::prepare_utcb(utcb.get(cpu), address);
        self.task.replace(Some(task));
        scheduling::make_ready_in(cpu, self, state);
    }

    /// Makes its system calls exceptions, or not any more.
    pub fn set_alien(&self, cpu: &Cpu, alien: bool) {
        self.state(cpu).is_alien.set(alien);
        self.review(cpu);
    }

    /// Gives it an instruction pointer, which makes a new thread ready.
    pub fn resurrect(&self, cpu: &Cpu, state: &ThreadState) {
        if state.life.get() == Life::New {
            state.life.set(Life::Alive);
            scheduling::make_ready_in(cpu, self, state);
        }
    }

    /// Direct switch to it, if it is ready; else the next in turn.
    #[inline(never)]
    pub(super) fn switch_to(&self, cpu: &Cpu) -> OperationResult {
        // Of a thread of another CPU nothing comes (abi/05).
        if self.is_here(cpu) && self.lives_here(cpu) && !cpu.current.is(self) {
            if self.is_runnable(cpu) {
                scheduling::run_now(cpu, self);
            } else {
                cpu.reschedule.set(true);
            }
        }
        Ok(Outcome::OK)
    }
}
