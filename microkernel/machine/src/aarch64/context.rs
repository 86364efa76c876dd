//! A thread's registers, in the order of the exception message (abi/02).

use core::cell::Cell;

use l4_abi::arch::aarch64::exception::{
    FRAME_WORDS, SYNDROME_ALIEN_AFTER_SYSTEM_CALL, class, pstate, syndrome,
};
use l4_abi::error::ResultCode;

use super::irqchip::IrqChip;
use super::processor_state;
use super::vm::Level;
use crate::event::OperationReply;
use crate::per_cpu::CpuBlock;
use crate::utcb::Utcb;
use crate::vcpu::ExtendedPointer;

/// Words of an exception message.
pub const EXCEPTION_WORDS: usize = FRAME_WORDS;

/// Index of the first of the message's words that are not in [`Frame`].
const THREAD_REGISTERS: usize = 38;

/// Syndrome bit 25: the trapped instruction has 32 bits.
const SYNDROME_LONG: u64 = 1 << 25;

/// The registers that entry code saves.
#[repr(C, align(16))]
pub struct Frame {
    continuation: Cell<u64>,
    pub(super) x: [Cell<u64>; 31],
    reserved: Cell<u64>,
    pub(super) error: Cell<u64>,
    fault_address: Cell<u64>,
    pub(super) sp: Cell<u64>,
    pc: Cell<u64>,
    pub(super) pstate: Cell<u64>,
}

const _: () = assert!(size_of::<Frame>() == THREAD_REGISTERS * 8);

macro_rules! registers {
    ($($(#[$doc:meta])* $get:ident, $set:ident: $field:ident $([$index:literal])?;)*) => {
        $(
            $(#[$doc])*
            #[inline]
            pub fn $get(&self) -> u64 {
                self.$field$([$index])?.get()
            }
            /// Sets it.
            #[inline]
            pub fn $set(&self, value: u64) {
                self.$field$([$index])?.set(value);
            }
        )*
    };
}

impl Frame {
    const fn new() -> Self {
        Self {
            continuation: Cell::new(0),
            x: [const { Cell::new(0) }; 31],
            reserved: Cell::new(0),
            error: Cell::new(0),
            fault_address: Cell::new(0),
            sp: Cell::new(0),
            pc: Cell::new(0),
            pstate: Cell::new(pstate::INITIAL),
        }
    }

    registers! {
        /// The message tag of a system call.
        tag, set_tag: x[0];
        /// The label of a system call.
        label, set_label: x[1];
        /// The destination and operation of a system call.
        destination, set_destination: x[2];
        /// The instruction pointer.
        ip, set_ip: pc;
        /// The stack pointer.
        sp, set_sp: sp;
        /// The syndrome of the exception.
        error, set_error: error;
        /// The address of the last memory fault.
        fault_address, set_fault_address: fault_address;
    }

    /// The timeout pair of a system call.
    #[inline]
    pub fn timeouts(&self) -> u32 {
        self.x[3].get() as u32
    }

    /// Argument 0 or 1 of a function that user mode enters.
    #[inline]
    pub fn argument(&self, number: usize) -> u64 {
        self.x[number].get()
    }

    /// Sets argument 0 or 1.
    #[inline]
    pub fn set_argument(&self, number: usize, value: u64) {
        self.x[number].set(value);
    }

    /// Takes back what user mode must not choose of its processor state: EL1
    /// is for those who have it.
    #[inline]
    pub(super) fn sanitise_state(&self, with_el1: bool) {
        let state = match with_el1 {
            true => processor_state::from_guest(self.pstate.get(), has_aarch32),
            false => processor_state::from_user(self.pstate.get(), has_aarch32),
        };
        self.pstate.set(state);
    }

    /// Goes on in this mode.
    pub(super) fn set_mode(&self, mode: u64) {
        self.pstate
            .set(self.pstate.get() & !pstate::MODE_MASK | mode);
    }

    /// All words.
    #[inline]
    pub(super) fn words(&self) -> &[Cell<u64>; THREAD_REGISTERS] {
        // SAFETY: the frame is these words, all of this type.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }

    /// Turns a system call into an exception at its instruction.
    #[inline]
    pub fn rewind_syscall(&self) {
        self.pc.set(before_syscall(self.pc.get(), self.error.get()));
    }

    /// Tells that the exception is a system call, not executed yet (aliens).
    #[inline]
    pub fn mark_syscall_exception(&self) {}

    /// Tells that the exception is a system call that has been executed.
    #[inline]
    pub fn mark_syscall_executed(&self) {
        self.error
            .set(self.error.get() | SYNDROME_ALIEN_AFTER_SYSTEM_CALL);
    }

    /// Tells that the exception was triggered by ex_regs.
    #[inline]
    pub fn mark_triggered(&self) {
        self.error.set(syndrome(class::TRIGGERED));
    }
}

/// The address of the system call instruction before `ip`, with that syndrome.
#[inline]
pub(super) fn before_syscall(ip: u64, syndrome: u64) -> u64 {
    ip.wrapping_sub(if syndrome & SYNDROME_LONG != 0 { 4 } else { 2 })
}

/// Whether EL0 can run AArch32 code (ID_AA64PFR0_EL1.EL0).
fn has_aarch32() -> bool {
    read_register!("id_aa64pfr0_el1") & 0xf == 2
}

/// Exception levels in ex_regs' flags (abi/05).
mod privilege {
    pub(super) const KEEP: u64 = 0;
    pub(super) const EL0: u64 = 1 << 24;
    pub(super) const EL1: u64 = 2 << 24;
}

/// All of a thread that is switched with it, but for the FPU.
/// Its alignment puts it before other fields: a new thread's frame is cleared
/// where it stays then, not copied there.
#[repr(C, align(32))]
pub struct Context {
    /// The registers that entry code saves.
    pub frame: Frame,
    tpidrro: Cell<u64>,
    /// Old while the thread is current: user mode writes the register.
    tpidr: Cell<u64>,
    /// Its state as an extended vCPU.
    pub(super) extended: Cell<Option<ExtendedPointer>>,
    pub(super) level: Cell<Level>,
}

impl Context {
    /// A thread that has not run.
    pub const fn new() -> Self {
        Self {
            frame: Frame::new(),
            tpidrro: Cell::new(0),
            tpidr: Cell::new(0),
            extended: Cell::new(None),
            level: Cell::new(Level::El0),
        }
    }

    /// What ex_regs answers as flags: the exception level in its own code.
    #[inline]
    pub fn flags(&self) -> u64 {
        match self.level.get() {
            Level::El0 => privilege::EL0,
            Level::El1 | Level::Guest => privilege::EL1,
        }
    }

    /// Whether it has more to be switched than programs at EL0.
    #[inline]
    pub fn is_privileged(&self) -> bool {
        self.level.get() != Level::El0
    }

    /// Sets the exception level that ex_regs asks for.
    ///
    /// # Errors
    /// EINVAL for others than EL0 and EL1, and for extended vCPUs, whose state
    /// tells it.
    pub fn set_privilege(
        &self,
        block: &CpuBlock,
        chip: &IrqChip,
        level: u64,
    ) -> Result<(), ResultCode> {
        let level = match level {
            privilege::KEEP => return Ok(()),
            privilege::EL0 => Level::El0,
            privilege::EL1 => Level::El1,
            _ => return Err(ResultCode::EINVAL),
        };
        if self.extended.get().is_some() {
            return Err(ResultCode::EINVAL);
        }
        self.set_level(block, chip, level, self.is_loaded(block));
        Ok(())
    }

    /// Whether the CPU has its registers.
    pub(super) fn is_loaded(&self, block: &CpuBlock) -> bool {
        core::ptr::eq(block.frame(), &self.frame)
    }

    /// Tells user mode where its UTCB is. For a thread that is not current.
    pub fn set_utcb(&self, address: u64) {
        self.tpidrro.set(address);
        self.tpidr.set(address);
    }

    /// Takes over the register that user mode writes itself. For the current
    /// thread.
    #[inline]
    pub(super) fn save_live(&self) {
        self.tpidr.set(read_register!("tpidr_el0"));
    }

    /// Writes what a thread finds in its UTCB: nothing (abi/02).
    pub fn prepare_utcb(_utcb: &Utcb, _address: u64) {}

    /// Writes the exception message (abi/02) to the start of `utcb`.
    pub fn save_exception(&self, block: &CpuBlock, utcb: &Utcb) {
        if self.is_loaded(block) {
            self.save_live();
            self.save_tpidrro();
        }
        let frame = &self.frame;
        utcb.set_word(0, 0);
        for (index, register) in frame.x.iter().enumerate() {
            utcb.set_word(index + 1, register.get());
        }
        let rest = [
            0,
            frame.error.get(),
            frame.fault_address.get(),
            frame.sp.get(),
            frame.pc.get(),
            frame.pstate.get(),
            self.tpidrro.get(),
            self.tpidr.get(),
        ];
        for (index, value) in rest.into_iter().enumerate() {
            utcb.set_word(index + 32, value);
        }
    }

    /// Takes the registers over from the answer to an exception message, as
    /// far as abi/02 allows. For a thread that is not current.
    pub fn load_exception(&self, utcb: &Utcb) {
        let frame = &self.frame;
        for (index, register) in frame.x.iter().enumerate() {
            register.set(utcb.word(index + 1));
        }
        frame.sp.set(utcb.word(35));
        frame.pc.set(utcb.word(36));
        frame.pstate.set(utcb.word(37));
        frame.sanitise_state(self.is_privileged());
        self.tpidrro.set(utcb.word(THREAD_REGISTERS));
        self.tpidr.set(utcb.word(THREAD_REGISTERS + 1));
    }

    /// Carries out an architecture-specific operation of the thread protocol
    /// (abi/05) on this thread; `words` is its message from MR0 on.
    ///
    /// # Errors
    /// ENOSYS for an unknown operation, EINVAL for a short message.
    pub fn thread_operation(
        &self,
        block: &CpuBlock,
        operation: u64,
        words: &[u64],
    ) -> Result<OperationReply, ResultCode> {
        if operation != SET_TPIDRRO {
            return Err(ResultCode::ENOSYS);
        }
        let &[_, value, ..] = words else {
            return Err(ResultCode::EINVAL);
        };
        self.set_tpidrro(value, self.is_loaded(block));
        Ok(OperationReply::default())
    }

    /// TPIDRRO_EL0.
    pub(super) fn tpidrro(&self) -> u64 {
        self.tpidrro.get()
    }

    /// Takes over the register that EL1 may have written. For the current
    /// thread.
    pub(super) fn save_tpidrro(&self) {
        self.tpidrro.set(read_register!("tpidrro_el0"));
    }

    /// Sets TPIDRRO_EL0, on the CPU too if that has this thread's registers.
    #[inline]
    pub(super) fn set_tpidrro(&self, value: u64, is_loaded: bool) {
        self.tpidrro.set(value);
        if is_loaded {
            // SAFETY: only user mode reads this register.
            unsafe { write_register!("tpidrro_el0", value) };
        }
    }
}

/// Thread operation that sets TPIDRRO_EL0.
const SET_TPIDRRO: u64 = 0x10;

/// Makes `to` the thread that runs when the kernel is left; `from` ran until
/// now on this CPU. Address space and FPU are switched elsewhere.
#[inline(always)]
pub fn switch(block: &CpuBlock, from: &Context, to: &Context) {
    from.save_live();
    if from.tpidr.get() != to.tpidr.get() {
        // SAFETY: only user mode reads this register.
        unsafe { write_register!("tpidr_el0", to.tpidr.get()) };
    }
    if from.tpidrro.get() != to.tpidrro.get() {
        // SAFETY: likewise.
        unsafe { write_register!("tpidrro_el0", to.tpidrro.get()) };
    }
    block.set_frame(&to.frame);
}
