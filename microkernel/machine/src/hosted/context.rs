//! Thread contexts. The frame is the system call's registers and just enough
//! more for exceptions; it is like neither real architecture's, so that
//! nothing gets used to one of those.

use core::cell::Cell;

use l4_abi::error::ResultCode;

use super::irqchip::IrqChip;
use crate::event::OperationReply;
use crate::per_cpu::CpuBlock;
use crate::utcb::Utcb;

/// Words of an exception message.
pub const EXCEPTION_WORDS: usize = 16;
/// Words of it that are in the frame.
const FRAME_WORDS: usize = 14;

/// Trap number of a system call that is reported as an exception.
pub const SYSCALL_TRAP: u64 = 0xfd;
/// Trap number of an exception that ex_regs triggered.
pub const TRIGGERED_TRAP: u64 = 0xff;
/// Trap number of a message that enters a vCPU.
pub const MESSAGE_TRAP: u64 = 0xfe;

const TAG: usize = 0;
const LABEL: usize = 1;
const DESTINATION: usize = 2;
const TIMEOUTS: usize = 3;
const ARGUMENTS: usize = 4;
const IP: usize = 6;
pub(super) const SP: usize = 7;
const FLAGS: usize = 8;
pub(super) const TRAP_NUMBER: usize = 9;
pub(super) const ERROR: usize = 10;
pub(super) const FAULT_ADDRESS: usize = 11;
pub(super) const IN_SYSCALL: usize = 12;

/// How far a system call's instruction is behind the instruction pointer.
const SYSCALL_LENGTH: u64 = 2;

/// The registers of a thread in user mode.
#[derive(Default)]
#[repr(C, align(16))]
pub struct Frame {
    words: [Cell<u64>; FRAME_WORDS],
}

macro_rules! words {
    ($($(#[$doc:meta])* $get:ident, $set:ident: $index:expr;)*) => {
        $(
            $(#[$doc])*
            #[inline]
            pub fn $get(&self) -> u64 {
                self.words[$index].get()
            }
            /// Sets it.
            #[inline]
            pub fn $set(&self, value: u64) {
                self.words[$index].set(value);
            }
        )*
    };
}

impl Frame {
    words! {
        /// The message tag.
        tag, set_tag: TAG;
        /// The label.
        label, set_label: LABEL;
        /// The destination and operation.
        destination, set_destination: DESTINATION;
        /// The instruction pointer.
        ip, set_ip: IP;
        /// The stack pointer.
        sp, set_sp: SP;
        /// The trap's error code.
        error, set_error: ERROR;
        /// The address of the last page fault.
        fault_address, set_fault_address: FAULT_ADDRESS;
    }

    /// All words.
    pub(super) fn words(&self) -> &[Cell<u64>; FRAME_WORDS] {
        &self.words
    }

    /// The timeout pair of a system call.
    #[inline]
    pub fn timeouts(&self) -> u32 {
        self.words[TIMEOUTS].get() as u32
    }

    /// Sets it; only a test does that.
    pub fn set_timeouts(&self, timeouts: u32) {
        self.words[TIMEOUTS].set(u64::from(timeouts));
    }

    /// Argument 0 or 1 of a function that user mode enters.
    #[inline]
    pub fn argument(&self, number: usize) -> u64 {
        self.words[ARGUMENTS + number].get()
    }

    /// Sets argument 0 or 1.
    #[inline]
    pub fn set_argument(&self, number: usize, value: u64) {
        self.words[ARGUMENTS + number].set(value);
    }

    /// The state of a thread before its first instruction (abi/05).
    pub fn reset(&self) {
        for word in &self.words {
            word.set(0);
        }
    }

    /// Notes that the thread is in a system call, as entry code would.
    pub fn enter_syscall(&self) {
        self.words[IN_SYSCALL].set(1);
    }

    /// Turns a system call into an exception at its instruction.
    pub fn rewind_syscall(&self) {
        self.set_ip(self.ip().wrapping_sub(SYSCALL_LENGTH));
    }

    /// Tells that the exception is a system call, not executed yet (aliens).
    pub fn mark_syscall_exception(&self) {
        self.set_trap(SYSCALL_TRAP, 0);
    }

    /// Tells that the exception is a system call that has been executed.
    pub fn mark_syscall_executed(&self) {
        self.set_trap(SYSCALL_TRAP, 1);
    }

    /// Tells that the exception was triggered by ex_regs.
    pub fn mark_triggered(&self) {
        self.set_trap(TRIGGERED_TRAP, 0);
    }

    /// Notes an exception, as entry code would.
    pub fn set_trap(&self, number: u64, error: u64) {
        self.words[TRAP_NUMBER].set(number);
        self.set_error(error);
    }

    /// Forgets that the frame started in a system call.
    pub fn clear_syscall_marker(&self) {
        self.words[IN_SYSCALL].set(0);
    }
}

/// Writes what user mode expects in a new UTCB at `address`: nothing.
pub fn prepare_utcb(_utcb: &Utcb, _address: u64) {}

/// All of a thread that is switched with it, but for the FPU.
#[derive(Default)]
#[repr(C)]
pub struct Context {
    /// The registers that entry code saves.
    pub frame: Frame,
    thread_pointer: Cell<u64>,
    utcb: Cell<u64>,
}

impl Context {
    /// A thread that has not run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells user mode where its UTCB is.
    pub fn set_utcb(&self, address: u64) {
        self.utcb.set(address);
        self.thread_pointer.set(address);
    }

    /// What ex_regs tells of the flags.
    pub fn flags(&self) -> u64 {
        self.frame.words[FLAGS].get()
    }

    /// Whether it has more to be switched than other programs.
    pub fn is_privileged(&self) -> bool {
        false
    }

    /// Sets the execution level that ex_regs asks for: there is one.
    pub fn set_privilege(&self, _: &CpuBlock, _: &IrqChip, level: u64) -> Result<(), ResultCode> {
        match level {
            0 => Ok(()),
            _ => Err(ResultCode::EINVAL),
        }
    }

    /// Writes what a thread finds in its UTCB: nothing (abi/02).
    pub fn prepare_utcb(_utcb: &Utcb, _address: u64) {}

    /// Writes the exception message (abi/02) to the start of `utcb`.
    pub fn save_exception(&self, _block: &CpuBlock, utcb: &Utcb) {
        let rest = [&self.thread_pointer, &self.utcb];
        for (index, word) in self.frame.words.iter().chain(rest).enumerate() {
            utcb.set_word(index, word.get());
        }
    }

    /// Takes the registers over from the answer to an exception message.
    pub fn load_exception(&self, utcb: &Utcb) {
        let rest = [&self.thread_pointer, &self.utcb];
        for (index, word) in self.frame.words.iter().chain(rest).enumerate() {
            if !matches!(index, TRAP_NUMBER | ERROR | FAULT_ADDRESS | IN_SYSCALL) {
                word.set(utcb.word(index));
            }
        }
        self.frame.clear_syscall_marker();
    }

    /// What user mode finds its thread data by.
    pub fn thread_pointer(&self) -> u64 {
        self.thread_pointer.get()
    }

    pub(super) fn set_thread_pointer(&self, value: u64) {
        self.thread_pointer.set(value);
    }

    /// Carries out an architecture-specific operation of the thread protocol
    /// (abi/05) on this thread; `words` is its message.
    pub fn thread_operation(
        &self,
        _block: &CpuBlock,
        _operation: u64,
        _words: &[u64],
    ) -> Result<OperationReply, ResultCode> {
        Err(ResultCode::ENOSYS)
    }
}

/// Makes `to` the thread that runs when the kernel is left; `from` ran until
/// now.
#[inline]
pub fn switch(block: &CpuBlock, _from: &Context, to: &Context) {
    block.set_frame(&to.frame);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::per_cpu::PerCpu;

    #[test]
    fn exception_message_carries_registers_both_ways() {
        let context = Context::new();
        let utcb = Utcb::new();
        context.frame.set_ip(0x1000);
        context.frame.set_error(5);
        context.save_exception(PerCpu::new(0, ()).block(), &utcb);
        assert_eq!(utcb.word(IP), 0x1000);
        utcb.set_word(IP, 0x2000);
        utcb.set_word(ERROR, 9);
        context.load_exception(&utcb);
        assert_eq!(context.frame.ip(), 0x2000);
        assert_eq!(context.frame.error(), 5);
    }
}
