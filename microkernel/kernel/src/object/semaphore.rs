//! Semaphore: a counter that interrupts or threads raise and threads wait for
//! (abi/05).

use l4_abi::error::{IpcError, ResultCode};
use l4_abi::operation::Operation;
use l4_abi::protocol::irq::Opcode as Irq;
use l4_abi::protocol::label;
use l4_abi::protocol::semaphore::Opcode;
use l4_abi::rights::CapabilityRights;
use l4_abi::utcb::ERROR_OFFSET;
use machine::lock::Lock;

use super::icu::PinBinding;
use super::thread::{Source, Thread, WaitQueue, Waiting, end_waits};
use super::{Invocation, OperationResult, Outcome, Ref, ensure, irq};
use crate::cpu::Cpu;
use crate::ipc::{self, Request};
use crate::remote::{self, Errand};

/// A semaphore.
pub struct Semaphore {
    state: Lock<State>,
    /// The pin of an interrupt controller that it is bound to.
    pub pin: PinBinding,
}

struct State {
    counter: u64,
    /// Threads that wait, by priority, then first come.
    waiters: WaitQueue,
}

/// The counter stays here however often it is raised.
const MAX_COUNTER: u64 = i64::MAX as u64;

impl Semaphore {
    /// One whose counter is zero.
    pub fn new() -> Self {
        Self {
            state: Lock::new(State {
                counter: 0,
                waiters: WaitQueue::new(),
            }),
            pin: PinBinding::new(true),
        }
    }

    /// How often it can be taken without waiting.
    pub fn counter(&self) -> u64 {
        self.state.lock().counter
    }

    /// Raises it: wakes the first waiter, or counts.
    pub fn up(&self, cpu: &Cpu) {
        let mut state = self.state.lock();
        let Some(thread) = state.waiters.pop_front(cpu) else {
            state.counter = (state.counter + 1).min(MAX_COUNTER);
            return;
        };
        drop(state);
        remote::errand(cpu, thread, Errand::Granted);
    }

    /// Its pin raised an interrupt.
    pub fn hit(&self, cpu: &Cpu) {
        if self.pin.is_level(cpu) {
            self.pin.mask(cpu);
        }
        self.up(cpu);
    }

    /// `thread` does not wait here any more. False if it did not.
    pub fn forget(&self, cpu: &Cpu, thread: &Thread) -> bool {
        self.state.lock().waiters.remove(cpu, thread)
    }

    /// Its last capability is gone. False if its end has to pause: to be
    /// called again.
    pub fn destroy(&self, cpu: &Cpu) -> bool {
        let next = || self.state.lock().waiters.pop_front(cpu);
        let is_done = end_waits(cpu, next, Errand::Gone);
        if is_done {
            self.pin.release(cpu);
        }
        is_done
    }

    /// Performs an operation.
    #[inline(never)]
    pub fn invoke(&self, call: &Invocation<'_>) -> OperationResult {
        match call.tag.label() {
            label::IRQ => {
                match irq::asked(call)? {
                    Irq::Trigger => self.up(call.cpu),
                    Irq::Unmask if self.counter() > 0 => {}
                    Irq::Unmask => self.pin.unmask(call.cpu),
                }
                Ok(Outcome::NO_REPLY)
            }
            label::SEMAPHORE if call.tag.words() == 0 => Err(ResultCode::EINVAL.into()),
            label::SEMAPHORE => match Opcode::from_word(call.word(0)) {
                Some(Opcode::Down) => self.down(call),
                None => Err(ResultCode::ENOSYS.into()),
            },
            _ => Err(ResultCode::EBADPROTO.into()),
        }
    }

    fn down(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_rights(CapabilityRights::SPECIAL)?;
        call.utcb.set_word(ERROR_OFFSET / 8, 0);
        let own_header = call.header()?;
        let mut state = self.state.lock();
        ensure(!own_header.common().is_doomed(), IpcError::NOT_EXISTENT)?;
        if state.counter > 0 {
            state.counter -= 1;
            return Ok(Outcome::OK);
        }
        let (cpu, thread) = (call.cpu, call.caller);
        let timeout = call.timeouts.receive();
        ipc::wait(cpu, thread, Waiting::Semaphore, timeout)
            .map_err(|_| IpcError::RECEIVE_TIMEOUT)?;
        let own = thread.state(cpu);
        own.request.set(Request {
            // Without a receive phase it keeps its own tag (abi/01).
            receive: call
                .operation
                .contains(Operation::RECEIVE)
                .then_some(Source::Nobody),
            ..Request::new(call.tag, call.timeouts)
        });
        own.semaphore.replace(Ref::from_header(own_header));
        state.waiters.insert(cpu, thread, own.priority.get());
        Ok(Outcome::DONE)
    }
}

#[cfg(test)]
pub(crate) mod tests;
