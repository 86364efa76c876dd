//! The page-fault trampoline (abi/05 Thread): a thread handles its next page
//! fault itself, before its pager hears of it.
//!
//! It is for one fault at a time: while the handler runs, page faults go to
//! the pager.

use core::cell::Cell;

use l4_abi::error::ResultCode;
use l4_abi::protocol::thread::{OPCODE_MASK, TrampolineOpcode};
use machine::trampoline::TrampolinePointer;

use super::{Deferred, Thread};
use crate::cpu::Cpu;
use crate::object::{Fail, Invocation, OperationResult, Outcome, ensure};

/// The trampoline of a thread.
pub struct Trampoline {
    area: Cell<Option<TrampolinePointer>>,
    /// Where user mode finds the area.
    address: Cell<u64>,
    /// The next page fault goes there.
    is_enabled: Cell<bool>,
}

impl Trampoline {
    /// None.
    pub const fn new() -> Self {
        Self {
            area: Cell::new(None),
            address: Cell::new(0),
            is_enabled: Cell::new(false),
        }
    }

    /// True if the next page fault goes there.
    pub fn is_enabled(&self) -> bool {
        self.is_enabled.get()
    }

    /// The thread is dead.
    pub fn release(&self) {
        self.area.set(None);
        self.is_enabled.set(false);
    }
}

impl Thread {
    /// The page fault in its frame goes to its own handler, if one waits for
    /// it. `fault` is what a pager would be told.
    pub fn enter_trampoline(&self, cpu: &Cpu, fault: u64) -> bool {
        let state = self.state(cpu);
        if !state.trampoline.is_enabled.replace(false) {
            return false;
        }
        let Some(area) = state.trampoline.area.get().map(|area| area.get(cpu)) else {
            return false;
        };
        let frame = &state.context.frame;
        frame.save_to(&area.registers);
        frame.set_ip(area.begin(self.utcb(cpu).word(0)));
        frame.set_argument(0, state.trampoline.address.get());
        frame.set_argument(1, fault);
        true
    }

    /// Performs an operation on the trampoline.
    #[inline(never)]
    pub(super) fn control_trampoline(&self, call: &Invocation<'_>) -> OperationResult {
        ensure(call.tag.items() == 0, ResultCode::EMSGTOOLONG)?;
        let operation = TrampolineOpcode::from_word((call.word(0) & !OPCODE_MASK) >> 16);
        let operation = operation.ok_or(ResultCode::ENOSYS)?;
        let words = match operation {
            TrampolineOpcode::Setup => 2,
            _ => 1,
        };
        call.require_words(words, ResultCode::EMSGTOOSHORT)?;
        ensure(call.tag.words() <= words, ResultCode::EMSGTOOLONG)?;
        let trampoline = &self.state(call.cpu).trampoline;
        match operation {
            TrampolineOpcode::Setup => {
                let (cpu, address) = (call.cpu, call.word(1));
                let task = self.task(cpu).ok_or(ResultCode::EINVAL)?;
                let area = task.memory.find_shared(cpu, address);
                trampoline.area.set(Some(area.ok_or(ResultCode::EINVAL)?));
                trampoline.address.set(address);
                trampoline.is_enabled.set(true);
            }
            TrampolineOpcode::Enable => {
                trampoline.area.get().ok_or(ResultCode::EINVAL)?;
                trampoline.is_enabled.set(true);
            }
            TrampolineOpcode::Disable => {
                let was_enabled = trampoline.is_enabled.replace(false);
                call.reply(0, u64::from(was_enabled));
                return Ok(Outcome::words(1));
            }
            TrampolineOpcode::Resume | TrampolineOpcode::Reflect => {
                self.resume_from_trampoline(call, operation == TrampolineOpcode::Reflect)?;
                return Ok(Outcome::DONE);
            }
        }
        Ok(Outcome::OK)
    }

    /// Goes on where the page fault was, or raises it as an exception there.
    fn resume_from_trampoline(&self, call: &Invocation<'_>, reflect: bool) -> Result<(), Fail> {
        ensure(core::ptr::eq(self, call.caller), ResultCode::EPERM)?;
        let (cpu, state) = (call.cpu, self.state(call.cpu));
        let area = state.trampoline.area.get().ok_or(ResultCode::EINVAL)?;
        let was_enabled = state.trampoline.is_enabled.replace(true);
        ensure(!was_enabled, ResultCode::EINVAL)?;
        let area = area.get(cpu);
        let (message, raise) = area.end();
        self.utcb(cpu).set_word(0, message);
        let frame = &state.context.frame;
        frame.load_from(&area.registers);
        if reflect || raise {
            if !reflect {
                frame.mark_triggered();
                frame.set_fault_address(0);
            }
            state.deferred.set(Deferred::Exception);
            cpu.reschedule.set(true);
        }
        Ok(())
    }
}
