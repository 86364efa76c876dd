//! A thread's registers when it is a vCPU (abi/06 §3, §4).
//!
//! The vCPU's user mode has a TPIDRRO_EL0 of its own. TPIDR_EL0 is one for
//! both modes.

use core::arch::asm;
use core::hint::cold_path;
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

use l4_abi::arch::aarch64::exception::{class, pstate};

use super::context::{Context, Frame, before_syscall};
use super::irqchip::IrqChip;
use super::vm::Level;
use crate::per_cpu::{CpuBlock, ShortWay};
use crate::vcpu::{TrapRegisters, VcpuArea};

/// Indexes of registers in an exception message.
const ERROR: usize = 33;
const FAULT_ADDRESS: usize = 34;
pub(crate) const STACK_POINTER: usize = 35;
const INSTRUCTION: usize = 36;

/// The exception class in a syndrome.
const CLASS: u64 = 0x3f << 26;

impl Frame {
    /// Copies the interrupted registers to user memory.
    #[inline]
    pub fn save_to(&self, registers: &TrapRegisters) {
        copy(
            self.words().as_ptr().cast(),
            registers.as_ptr().cast_mut().cast(),
        );
    }

    /// Has the interrupted registers in user memory, with a system call, not
    /// executed yet, as the reason. Entry code may have saved them there.
    #[inline]
    pub fn save_syscall(&self, block: &CpuBlock, registers: &TrapRegisters) {
        if !ptr::eq(block.registers(), registers) {
            cold_path();
            self.save_to(registers);
        }
        let [error, ip] = [ERROR, INSTRUCTION].map(|index| registers[index].load(Relaxed));
        registers[INSTRUCTION].store(before_syscall(ip, error), Relaxed);
    }

    /// The same when a message, not a fault, is the reason.
    #[inline]
    pub fn save_for_message(&self, registers: &TrapRegisters) {
        let [error, address] = [ERROR, FAULT_ADDRESS].map(|index| registers[index].load(Relaxed));
        self.error.set(error & !CLASS | class::IPC << 26);
        self.set_fault_address(address);
        self.save_to(registers);
    }

    /// Takes the registers over from user memory, as far as it may choose
    /// them.
    #[inline]
    pub fn load_from(&self, registers: &TrapRegisters) {
        let with_el1 = self.pstate.get() & pstate::EL1T != 0;
        self.copy_from(registers);
        self.sanitise_state(with_el1);
    }

    #[inline]
    fn copy_from(&self, registers: &TrapRegisters) {
        copy(
            registers.as_ptr().cast(),
            self.words().as_ptr().cast_mut().cast(),
        );
    }

    /// As [`enter`](Self::enter), if the kernel is left at once by the way that
    /// this gives.
    #[inline]
    pub fn enter_at_once(&self, instruction: u64, stack: u64, argument: u64) -> ShortWay {
        self.begin_entry(self.entry_state(), instruction, stack, argument);
        ShortWay::ToAnEntry
    }

    /// Goes on at `instruction`, with no other register than these.
    #[inline]
    pub fn enter(&self, instruction: u64, stack: u64, argument: u64) {
        let state = self.entry_state();
        clear(self.words().as_ptr().cast_mut().cast());
        self.begin_entry(state, instruction, stack, argument);
    }

    /// Has the current thread's registers that entry code has saved, if that was
    /// to a vCPU's state, whose user mode may go on with them later.
    #[inline]
    pub(super) fn take_registers(block: &CpuBlock) {
        if !block.registers().is_null() {
            take_registers(block);
        }
    }

    #[inline]
    fn entry_state(&self) -> u64 {
        self.pstate.get() & !NO_ENTRY | ENTRY_MASKS
    }

    #[inline]
    fn begin_entry(&self, state: u64, instruction: u64, stack: u64, argument: u64) {
        self.x[0].set(argument);
        self.set_ip(instruction);
        self.set_sp(stack);
        self.pstate.set(state);
    }
}

#[cold]
fn take_registers(block: &CpuBlock) {
    let registers = block.registers();
    block.set_registers(ptr::null());
    // SAFETY: of the thread that was in user mode, as is its task, which keeps
    // the vCPU's state.
    let (frame, registers) = unsafe { (&*block.frame(), &*registers) };
    frame.copy_from(registers);
    // Any may have been written by user mode since; this one matters.
    frame.pstate.set(read_register!("spsr_el2"));
}

/// What an entry does not keep: all of the mode but whether it is EL1.
const NO_ENTRY: u64 = pstate::MODE_MASK & !pstate::EL1T | pstate::ILLEGAL;

/// What is masked at an entry.
const ENTRY_MASKS: u64 = pstate::SERROR_MASK | pstate::IRQ_MASK | pstate::FIQ_MASK;

/// Tells in `registers` that a message is the reason of an entry.
#[inline]
pub fn mark_message(registers: &TrapRegisters) {
    let error = registers[ERROR].load(Relaxed);
    registers[ERROR].store(error & !CLASS | class::IPC << 26, Relaxed);
}

/// Tells in `registers` that an interrupt of the virtual CPU is the reason
/// (abi/06 §3).
pub fn mark_virtual_interrupt(registers: &TrapRegisters, number: u16) {
    /// What tells the number.
    const IMMEDIATE: u64 = 0xffff;
    let error = registers[ERROR].load(Relaxed) & !CLASS & !IMMEDIATE;
    let error = error | class::VIRTUAL_PPI << 26 | u64::from(number);
    registers[ERROR].store(error, Relaxed);
}

impl Context {
    /// Fills in what a new vCPU finds in its state.
    pub fn begin_vcpu(&self, area: &VcpuArea) {
        area.host[0].store(self.tpidrro(), Relaxed);
    }

    /// The vCPU enters its user mode, with the registers in its state.
    #[inline]
    pub fn enter_user_task(
        &self,
        block: &CpuBlock,
        chip: &IrqChip,
        area: &VcpuArea,
        is_loaded: bool,
    ) {
        self.begin_user_mode(block, chip, area, is_loaded);
        self.frame.copy_from(&area.registers);
        self.sanitise_user_mode();
    }

    /// The vCPU, whose registers this CPU has, enters its user mode, if the
    /// kernel is left at once by the way that this gives.
    #[inline(always)]
    pub fn enter_user_task_at_once(
        &self,
        block: &CpuBlock,
        chip: &IrqChip,
        area: &VcpuArea,
    ) -> ShortWay {
        if !area
            .registers
            .as_ptr()
            .addr()
            .is_multiple_of(align_of::<Frame>())
        {
            // No stack for the CPU.
            cold_path();
            self.enter_user_task(block, chip, area, true);
            return ShortWay::ToTheFrame;
        }
        self.begin_user_mode(block, chip, area, true);
        let [.., sp, pc, state] = &area.registers;
        self.frame.set_sp(sp.load(Relaxed));
        self.frame.set_ip(pc.load(Relaxed));
        self.frame.pstate.set(state.load(Relaxed));
        self.sanitise_user_mode();
        block.set_registers(&area.registers);
        ShortWay::ToARegisterSet
    }

    /// Gives the vCPU what its user mode has besides those registers.
    #[inline(always)]
    fn begin_user_mode(&self, block: &CpuBlock, chip: &IrqChip, area: &VcpuArea, is_loaded: bool) {
        let extended = self.extended.get();
        if extended.is_some() {
            area.host[0].store(self.tpidrro(), Relaxed);
        }
        self.set_tpidrro(area.thread_registers[0].load(Relaxed), is_loaded);
        if let Some(extended) = extended {
            self.enter_guest(block, chip, &extended, is_loaded);
        }
    }

    /// Takes back what user mode must not choose of its processor state.
    #[inline(always)]
    fn sanitise_user_mode(&self) {
        self.frame.sanitise_state(self.is_privileged());
    }

    /// The vCPU leaves its user mode.
    #[inline(always)]
    pub fn leave_user_task(
        &self,
        block: &CpuBlock,
        chip: &IrqChip,
        area: &VcpuArea,
        is_loaded: bool,
    ) {
        if is_loaded {
            block.set_registers(ptr::null());
        }
        if let Some(extended) = self.extended.get() {
            self.leave_guest(block, chip, &extended, is_loaded);
            area.thread_registers[0].store(self.tpidrro(), Relaxed);
        } else if self.level.get() == Level::El1 {
            self.frame.set_mode(pstate::EL1T);
        }
        self.set_tpidrro(area.host[0].load(Relaxed), is_loaded);
    }
}

/// Sets the 38 registers that entry code saves to zero.
#[inline]
fn clear(frame: *mut u64) {
    // SAFETY: the words of a frame.
    unsafe {
        asm!(
            ".irp offset, 0,16,32,48,64,80,96,112,128,144,160,176,192,208,224,240,256,272,288",
            "stp xzr, xzr, [{frame}, #\\offset]",
            ".endr",
            frame = in(reg) frame,
            options(nostack, preserves_flags),
        );
    }
}

/// Copies the 38 registers that entry code saves.
#[inline]
fn copy(from: *const u64, to: *mut u64) {
    // SAFETY: both are frames' words; user mode may write to one of them at
    // the same time, and each word is read once.
    unsafe {
        asm!(
            ".irp offset, 0,16,32,48,64,80,96,112,128,144,160,176,192,208,224,240,256,272,288",
            "ldp {one}, {two}, [{from}, #\\offset]",
            "stp {one}, {two}, [{to}, #\\offset]",
            ".endr",
            from = in(reg) from,
            to = in(reg) to,
            one = out(reg) _,
            two = out(reg) _,
            options(nostack, preserves_flags),
        );
    }
}
