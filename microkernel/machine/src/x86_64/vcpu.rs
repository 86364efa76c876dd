//! A thread's registers when it is a vCPU (abi/06 §3, §4).
//!
//! The vCPU's user mode has segment bases and selectors of its own. Both
//! modes' are in the state that user mode can write to, and go to the CPU
//! when the mode changes.

use core::arch::asm;
use core::hint::cold_path;
use core::sync::atomic::Ordering::Relaxed;

use l4_abi::arch::x86_64::exception::{TRAP_FRAME_WORDS, rflags, trap};
use l4_abi::arch::x86_64::segment;

use super::context::{Context, Frame, SYSCALL_LENGTH, SYSCALL_MARKER};
use super::cpu::selector;
use super::irqchip::IrqChip;
use super::paging::USER_END;
use crate::per_cpu::{CpuBlock, ShortWay};
use crate::vcpu::{TrapRegisters, VcpuArea};

const USER_CODE_32: u64 = selector::USER_CODE_32 as u64;

/// Indexes of registers in an exception message.
const R11: usize = 4;
const FAULT_ADDRESS: usize = 11;
const RCX: usize = 14;
const TRAP_NUMBER: usize = 16;
const ERROR: usize = 17;
const INSTRUCTION: usize = 18;
const CODE: usize = 19;
const FLAGS: usize = 20;
pub(crate) const STACK_POINTER: usize = 21;

impl Frame {
    /// Copies the interrupted registers to user memory.
    #[inline]
    pub fn save_to(&self, registers: &TrapRegisters) {
        copy(
            self.words().as_ptr().cast(),
            registers.as_ptr().cast_mut().cast(),
        );
    }

    /// Has the interrupted registers in user memory, and there a system call,
    /// not executed yet, as the reason. Entry code may have saved them there.
    #[inline(always)]
    pub fn save_syscall(&self, block: &CpuBlock, registers: &TrapRegisters) {
        if block.registers() != frame_of(registers) {
            cold_path();
            self.save_to(registers);
        }
        let [ip, flags] = [INSTRUCTION, FLAGS].map(|index| registers[index].load(Relaxed));
        registers[RCX].store(ip, Relaxed);
        registers[R11].store(flags, Relaxed);
        registers[INSTRUCTION].store(ip.wrapping_sub(SYSCALL_LENGTH), Relaxed);
        registers[TRAP_NUMBER].store(trap::SYSTEM_CALL, Relaxed);
        registers[ERROR].store(0, Relaxed);
    }

    /// The same when a message, not a fault, is the reason.
    #[inline]
    pub fn save_for_message(&self, registers: &TrapRegisters) {
        let fault_address = registers[FAULT_ADDRESS].load(Relaxed);
        self.save_to(registers);
        registers[FAULT_ADDRESS].store(fault_address, Relaxed);
        mark_message(registers);
    }

    /// Takes the registers over from user memory, as far as it may choose
    /// them. SS is not looked at: the CPU does that.
    #[inline]
    pub fn load_from(&self, registers: &TrapRegisters) {
        copy(
            registers.as_ptr().cast(),
            self.words().as_ptr().cast_mut().cast(),
        );
        if self.cs.get() != u64::from(selector::USER_CODE_32) {
            self.cs.set(u64::from(selector::USER_CODE));
        }
        self.sanitise_flags();
    }

    /// As [`enter`](Self::enter), if the kernel is left at once by the way that
    /// this gives.
    #[inline]
    pub fn enter_at_once(&self, instruction: u64, stack: u64, argument: u64) -> ShortWay {
        if instruction > USER_END {
            self.enter(instruction, stack, argument);
            return ShortWay::ToTheFrame;
        }
        self.rip.set(instruction);
        self.rsp.set(stack);
        self.rdi.set(argument);
        ShortWay::ToAnEntry
    }

    /// Goes on at `instruction`, with no other register than these. The frame
    /// is marked to be in a system call, because that way out is faster.
    #[inline]
    pub fn enter(&self, instruction: u64, stack: u64, argument: u64) {
        for register in &self.words()[..TRAP_NUMBER] {
            register.set(0);
        }
        self.rdi.set(argument);
        self.rcx.set(instruction);
        self.r11.set(rflags::INTERRUPT);
        self.rip.set(instruction);
        self.rsp.set(stack);
        self.cs.set(u64::from(selector::USER_CODE) | SYSCALL_MARKER);
        self.ss.set(u64::from(selector::USER_DATA));
        self.rflags.set(rflags::INITIAL);
    }
}

/// Tells in `registers` that a message is the reason of an entry.
#[inline]
pub fn mark_message(registers: &TrapRegisters) {
    registers[TRAP_NUMBER].store(trap::IPC, Relaxed);
    registers[ERROR].store(0, Relaxed);
}

/// Guests have no interrupts of this kind here.
pub fn mark_virtual_interrupt(_registers: &TrapRegisters, _number: u16) {}

impl Context {
    /// Fills in what a new vCPU finds in its state.
    pub fn begin_vcpu(&self, area: &VcpuArea) {
        let [fs_base, gs_base] = self.segment_bases();
        let kinds = [segment::USER_DS, segment::USER_CS64, segment::USER_CS32];
        let kinds = kinds
            .iter()
            .rfold(0, |word, kind| word << 16 | u64::from(*kind));
        for (word, value) in area.host.iter().zip([fs_base, gs_base, 0, kinds]) {
            word.store(value, Relaxed);
        }
    }

    /// The vCPU enters its user mode, with the registers in its state.
    #[inline]
    pub fn enter_user_task(
        &self,
        block: &CpuBlock,
        _chip: &IrqChip,
        area: &VcpuArea,
        is_loaded: bool,
    ) {
        self.save_segments(is_loaded);
        self.set_segments(block, is_loaded, &area.thread_registers);
        self.frame.load_from(&area.registers);
    }

    /// The vCPU, whose registers this CPU has, enters its user mode, if the
    /// kernel is left at once by the way that this gives.
    #[inline(always)]
    pub fn enter_user_task_at_once(
        &self,
        block: &CpuBlock,
        _chip: &IrqChip,
        area: &VcpuArea,
    ) -> ShortWay {
        self.save_segments(true);
        self.set_segments(block, true, &area.thread_registers);
        if area.registers[CODE].load(Relaxed) == USER_CODE_32 {
            cold_path();
            self.frame.load_from(&area.registers);
            return ShortWay::ToTheFrame;
        }
        block.set_registers(frame_of(&area.registers));
        ShortWay::ToARegisterSet
    }

    /// The vCPU leaves its user mode: the bases in its registers stay what
    /// they were at the resume.
    #[inline]
    pub fn leave_user_task(
        &self,
        block: &CpuBlock,
        _chip: &IrqChip,
        area: &VcpuArea,
        is_loaded: bool,
    ) {
        self.save_segments(is_loaded);
        if is_loaded {
            block.set_registers(core::ptr::from_ref(&self.frame).cast());
        }
        let [_, _, selectors] = &area.thread_registers;
        selectors.store(self.selectors(), Relaxed);
        if let Some(host) = area.host.first_chunk() {
            self.set_segments(block, is_loaded, host);
        }
    }
}

/// The registers as entry code finds them: a frame begins with another word.
fn frame_of(registers: &TrapRegisters) -> *const TrapRegisters {
    registers.as_ptr().wrapping_sub(1).cast()
}

/// Copies the registers that entry code saves.
#[inline]
fn copy(from: *const u64, to: *mut u64) {
    // SAFETY: both are frames' words; user mode may write to one of them at
    // the same time, and each word is read once.
    unsafe {
        asm!("rep movsq", inout("rcx") TRAP_FRAME_WORDS => _, inout("rsi") from => _,
            inout("rdi") to => _, options(nostack, preserves_flags));
    }
}
