//! A thread's registers when it is a vCPU. Nothing here differs between the
//! vCPU's modes but the thread pointer.

use core::sync::atomic::Ordering::Relaxed;

use super::context::TRAP_NUMBER;
use super::context::{Context, ERROR, FAULT_ADDRESS, Frame, IN_SYSCALL, MESSAGE_TRAP, SP};
use super::irqchip::IrqChip;
use crate::per_cpu::{CpuBlock, ShortWay};
use crate::vcpu::{TrapRegisters, VcpuArea};

pub(crate) const STACK_POINTER: usize = SP;

impl Frame {
    /// Copies the interrupted registers to user memory.
    pub fn save_to(&self, registers: &TrapRegisters) {
        for (to, word) in registers.iter().zip(self.words()) {
            to.store(word.get(), Relaxed);
        }
    }

    /// The same when a system call, not executed yet, is the reason.
    pub fn save_syscall(&self, _block: &CpuBlock, registers: &TrapRegisters) {
        self.rewind_syscall();
        self.mark_syscall_exception();
        self.save_to(registers);
    }

    /// The same when a message, not a fault, is the reason.
    pub fn save_for_message(&self, registers: &TrapRegisters) {
        let fault_address = registers[FAULT_ADDRESS].load(Relaxed);
        self.save_to(registers);
        registers[FAULT_ADDRESS].store(fault_address, Relaxed);
        mark_message(registers);
    }

    /// Takes the registers over from user memory.
    pub fn load_from(&self, registers: &TrapRegisters) {
        for (word, from) in self.words().iter().zip(registers) {
            word.set(from.load(Relaxed));
        }
        self.words()[IN_SYSCALL].set(0);
    }

    /// As [`enter`](Self::enter).
    pub fn enter_at_once(&self, instruction: u64, stack: u64, argument: u64) -> ShortWay {
        self.enter(instruction, stack, argument);
        ShortWay::ToAnEntry
    }

    /// Goes on at `instruction`, with no other register than these.
    pub fn enter(&self, instruction: u64, stack: u64, argument: u64) {
        self.reset();
        self.set_argument(0, argument);
        self.set_ip(instruction);
        self.set_sp(stack);
    }
}

/// Tells in `registers` that a message is the reason of an entry.
pub fn mark_message(registers: &TrapRegisters) {
    registers[TRAP_NUMBER].store(MESSAGE_TRAP, Relaxed);
    registers[ERROR].store(0, Relaxed);
}

/// Guests have no interrupts of this kind here.
pub fn mark_virtual_interrupt(_registers: &TrapRegisters, _number: u16) {}

impl Context {
    /// Fills in what a new vCPU finds in its state.
    pub fn begin_vcpu(&self, area: &VcpuArea) {
        area.host[0].store(self.thread_pointer(), Relaxed);
    }

    /// The vCPU enters its user mode, with the registers in its state.
    pub fn enter_user_task(
        &self,
        _block: &CpuBlock,
        _chip: &IrqChip,
        area: &VcpuArea,
        _is_loaded: bool,
    ) {
        self.set_thread_pointer(area.thread_registers[0].load(Relaxed));
        self.frame.load_from(&area.registers);
    }

    /// The vCPU enters its user mode, as the thread that is loaded.
    pub fn enter_user_task_at_once(
        &self,
        block: &CpuBlock,
        chip: &IrqChip,
        area: &VcpuArea,
    ) -> ShortWay {
        self.enter_user_task(block, chip, area, true);
        block.set_registers(&area.registers);
        ShortWay::ToARegisterSet
    }

    /// The vCPU leaves its user mode.
    pub fn leave_user_task(
        &self,
        _block: &CpuBlock,
        _chip: &IrqChip,
        area: &VcpuArea,
        _is_loaded: bool,
    ) {
        self.set_thread_pointer(area.host[0].load(Relaxed));
    }
}
