//! The operations on a thread (abi/05 Thread).

use l4_abi::capability::Selector;
use l4_abi::error::{IpcError, ResultCode};
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::thread::{
    CONTROL_REPLY_WORDS, CONTROL_WORDS, ControlFlags, EX_REGS_ARCHITECTURE_MASK, EX_REGS_KEEP,
    EX_REGS_WORDS, ExRegsFlags, OPCODE_MASK, Opcode, SenderRule, control_word as word,
};
use l4_abi::rights::CapabilityRights;
use l4_abi::utcb::ALIGNMENT;

use super::{Deferred, Life, LocalState, LongOperation, Stop, Thread, ThreadState};
use crate::cpu::CpuLocal;
use crate::object::ipc_gate::reference;
use crate::object::irq::Irq;
use crate::object::task::Task;
use crate::object::{Fail, Invocation, OperationResult, Outcome, ensure};
use crate::remote;

impl Thread {
    /// Performs an operation.
    #[inline(never)]
    pub fn invoke(&self, call: &Invocation<'_>) -> OperationResult {
        call.require_words(1, ResultCode::EMSGTOOSHORT)?;
        let operation = call.word(0) & OPCODE_MASK;
        let Some(state) = self.state.get(call.cpu).map(LocalState::value) else {
            return self.invoke_from_afar(call, operation);
        };
        match Opcode::from_word(operation) {
            Some(Opcode::Control) => self.control(call, state),
            Some(Opcode::ExRegs) => self.ex_regs(call, state, call.word(0)),
            Some(Opcode::SwitchTo) => self.switch_to(call.cpu),
            Some(Opcode::StatsTime) => self.stats_time(call),
            Some(Opcode::VcpuResume) => self.resume_vcpu(call),
            Some(Opcode::RegisterDeletionIrq) => self.register_deletion_irq(call),
            Some(Opcode::ModifySenders) => self.modify_senders(call),
            Some(Opcode::VcpuControl) => self.control_vcpu(call),
            Some(Opcode::RegisterDoorbellIrq) => Err(ResultCode::ENOSYS.into()),
            Some(Opcode::PageFaultTrampoline) => self.control_trampoline(call),
            None => self.architecture_operation(call, operation),
        }
    }

    /// It is on another CPU: for most operations the caller goes there first.
    #[inline(never)]
    fn invoke_from_afar(&self, call: &Invocation<'_>, operation: u64) -> OperationResult {
        match Opcode::from_word(operation) {
            Some(Opcode::SwitchTo) => self.switch_to(call.cpu),
            Some(Opcode::ModifySenders) => self.modify_senders(call),
            _ => {
                remote::visit(call.cpu, call.caller, self.home(), Deferred::Syscall);
                Ok(Outcome::DONE)
            }
        }
    }

    #[inline(never)]
    fn stats_time(&self, call: &Invocation<'_>) -> OperationResult {
        call.reply(0, call.cpu.budget.consumed(call.cpu, self));
        Ok(Outcome::words(1))
    }

    #[inline(always)]
    pub(super) fn control(&self, call: &Invocation<'_>, state: &ThreadState) -> OperationResult {
        call.require_rights(CapabilityRights::SPECIAL)?;
        call.require_words(CONTROL_WORDS, ResultCode::EINVAL)?;
        let flags = ControlFlags::from_bits_retain(call.word(0));
        if flags.contains(ControlFlags::BIND_TASK) {
            self.bind(call, state)?;
        }
        if flags.contains(ControlFlags::ALIEN) {
            let value = ControlFlags::from_bits_retain(call.word(word::FLAG_VALUES));
            self.set_alien(call.cpu, value.contains(ControlFlags::ALIEN));
        }
        let pager = Selector::from_raw(call.word(word::PAGER)).index();
        let handler = Selector::from_raw(call.word(word::EXCEPTION_HANDLER)).index();
        let old_pager = match flags.contains(ControlFlags::SET_PAGER) {
            true => state.pager.replace(pager),
            false => state.pager.get(),
        };
        let old_handler = match flags.contains(ControlFlags::SET_EXCEPTION_HANDLER) {
            true => state.exception_handler.replace(handler),
            false => state.exception_handler.get(),
        };
        call.reply(word::PAGER, Selector::new(old_pager).raw());
        call.reply(word::EXCEPTION_HANDLER, Selector::new(old_handler).raw());
        Ok(Outcome::words(CONTROL_REPLY_WORDS))
    }

    #[inline(always)]
    fn bind(&self, call: &Invocation<'_>, state: &ThreadState) -> Result<(), Fail> {
        let (task, entry) = call.argument_at::<Task>(CONTROL_WORDS)?;
        ensure(
            entry.rights.contains(CapabilityRights::SPECIAL),
            ResultCode::EPERM,
        )?;
        let can_be_bound = self.task.is_empty() && state.life.get() != Life::Dead;
        ensure(can_be_bound, ResultCode::EINVAL)?;
        let address = call.word(word::UTCB);
        ensure(address.is_multiple_of(ALIGNMENT), ResultCode::EINVAL)?;
        let utcb = task
            .memory
            .find_shared(call.cpu, address)
            .ok_or(ResultCode::EINVAL)?;
        let task_reference = reference::<Task>(entry.object)?;
        self.start_in(call.cpu, state, task_reference, address, utcb);
        Ok(())
    }

    /// `request` is the first word, which the caller may have compared already.
    #[inline(always)]
    pub(super) fn ex_regs(
        &self,
        call: &Invocation<'_>,
        state: &ThreadState,
        request: u64,
    ) -> OperationResult {
        ensure(call.tag.words() == EX_REGS_WORDS, ResultCode::EINVAL)?;
        let cpu = call.cpu;
        let flags = ExRegsFlags::from_bits_retain(request);
        let frame = &state.context.frame;
        self.finish_entry(cpu);
        let (ip, sp) = (call.word(1), call.word(2));
        ensure(state.life.get() != Life::Dead, ResultCode::EINVAL)?;
        call.reply(0, state.context.flags());
        call.reply(1, frame.ip());
        call.reply(2, frame.sp());
        let cancels = flags.contains(ExRegsFlags::CANCEL);
        if cancels || !state.is_in_exception() {
            let privilege = request & EX_REGS_ARCHITECTURE_MASK;
            if privilege != 0 {
                let chip = &cpu.kernel.platform.chip;
                (state.context).set_privilege(cpu.block(), chip, privilege)?;
                self.review(cpu);
            }
            if cancels {
                self.cancel(cpu);
            }
            if ip != EX_REGS_KEEP {
                frame.set_ip(ip);
            }
            if sp != EX_REGS_KEEP {
                frame.set_sp(sp);
            }
            if flags.contains(ExRegsFlags::TRIGGER_EXCEPTION) {
                self.set_stop(cpu, Stop::Triggered);
                cpu.reschedule.set(true);
            }
            self.resurrect(cpu, state);
        }
        Ok(Outcome::words(EX_REGS_WORDS))
    }

    #[inline(never)]
    fn register_deletion_irq(&self, call: &Invocation<'_>) -> OperationResult {
        let (irq, entry) = call.argument::<Irq>()?;
        ensure(
            entry.rights.contains(CapabilityRights::WRITE),
            ResultCode::EPERM,
        )?;
        let slot = &self.deletion_irq;
        ensure(slot.is_empty(), ResultCode::EBUSY)?;
        // From now on only gates trigger it (abi/05).
        irq.pin.release(call.cpu);
        slot.replace(Some(reference(entry.object)?));
        Ok(Outcome::OK)
    }

    #[inline(never)]
    fn modify_senders(&self, call: &Invocation<'_>) -> OperationResult {
        let is_near = self.residence() == call.caller.residence();
        ensure(is_near, ResultCode::EINVAL)?;
        let groups = call.tag.words().saturating_sub(1) / SenderRule::WORDS;
        let rewrite = |label: u64| {
            (0..groups).find_map(|group| {
                let at = 1 + group * SenderRule::WORDS;
                let rule = SenderRule {
                    match_mask: call.word(at),
                    match_value: call.word(at + 1),
                    clear: call.word(at + 2),
                    add: call.word(at + 3),
                };
                rule.apply(label)
            })
        };
        let (cpu, caller) = (call.cpu, call.caller);
        let mut from_first = !caller.take_labels(cpu, self);
        let is_first = !(from_first && self.mailbox.is_rewritten());
        ensure(is_first, ResultCode::EBUSY)?;
        while !self.mailbox.rewrite_labels(cpu, from_first, rewrite) {
            from_first = false;
            if CpuLocal::has_waiting_interrupt(cpu) {
                let receiver = self.counted().ok_or(IpcError::NOT_EXISTENT)?;
                caller.pause(cpu, LongOperation::Labels(receiver), Deferred::Syscall);
                return Ok(Outcome::DONE);
            }
        }
        Ok(Outcome::OK)
    }

    #[inline(never)]
    fn architecture_operation(&self, call: &Invocation<'_>, operation: u64) -> OperationResult {
        let mut words = [0; ARCHITECTURE_WORDS];
        let count = call.tag.words().min(words.len());
        for (index, word) in words.iter_mut().enumerate().take(count) {
            *word = call.word(index);
        }
        let context = &self.state(call.cpu).context;
        let answer = context.thread_operation(call.cpu.block(), operation, &words[..count])?;
        for (index, value) in answer.words.into_iter().enumerate().take(answer.count) {
            call.reply(index, value);
        }
        Ok(Outcome(MessageTag::words_only(answer.label, answer.count)))
    }
}

/// Message words that an operation of the architecture can have: four
/// segment descriptors, at most.
const ARCHITECTURE_WORDS: usize = 6;
