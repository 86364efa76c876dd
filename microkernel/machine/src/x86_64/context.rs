//! A thread's registers: the frame that entry code fills, and what is
//! switched besides.
//!
//! Segment selectors and bases can change without the kernel's doing (user
//! mode loads selectors, which changes bases too), so they are saved and
//! loaded at every switch, and what a thread does to them stays its own.

mod segments;

use core::cell::Cell;
use core::mem::offset_of;

use l4_abi::arch::x86_64::exception::{
    CS_SYSTEM_CALL, FRAME_WORDS, TRAP_FRAME_WORDS, rflags, trap,
};
use l4_abi::arch::x86_64::segment;
use l4_abi::error::ResultCode;
use l4_abi::protocol::thread::OpcodeX86;
use l4_abi::utcb::KERNEL_WORD_OFFSET;

use super::cpu::{USER_SEGMENTS, selector};
use super::irqchip::IrqChip;
use crate::event::OperationReply;
use crate::per_cpu::CpuBlock;
use crate::utcb::Utcb;
pub(super) use segments::is_user_segment;
use segments::{PLAIN, exchange_segments, is_canonical, load_data_selectors};

/// Bit of CS that marks a frame that is in a system call.
pub(super) const SYSCALL_MARKER: u64 = CS_SYSTEM_CALL;

/// Words of an exception message (abi/02).
pub const EXCEPTION_WORDS: usize = FRAME_WORDS;

/// Bytes of the `syscall` instruction.
pub(super) const SYSCALL_LENGTH: u64 = 2;

/// The user registers of a thread in the kernel, in the order of an exception
/// message. The CPU pushes to its end, which is a multiple of 16 therefore.
#[repr(C, align(16))]
pub struct Frame {
    /// Entry code pushes a word here on its way.
    reserved: Cell<u64>,
    pub(super) r15: Cell<u64>,
    pub(super) r14: Cell<u64>,
    pub(super) r13: Cell<u64>,
    pub(super) r12: Cell<u64>,
    pub(super) r11: Cell<u64>,
    pub(super) r10: Cell<u64>,
    pub(super) r9: Cell<u64>,
    pub(super) r8: Cell<u64>,
    pub(super) rdi: Cell<u64>,
    pub(super) rsi: Cell<u64>,
    pub(super) rbp: Cell<u64>,
    pub(super) fault_address: Cell<u64>,
    pub(super) rbx: Cell<u64>,
    pub(super) rdx: Cell<u64>,
    pub(super) rcx: Cell<u64>,
    pub(super) rax: Cell<u64>,
    pub(super) trap_number: Cell<u64>,
    pub(super) error: Cell<u64>,
    pub(super) rip: Cell<u64>,
    pub(super) cs: Cell<u64>,
    pub(super) rflags: Cell<u64>,
    pub(super) rsp: Cell<u64>,
    pub(super) ss: Cell<u64>,
}

const _: () = assert!(
    size_of::<Frame>() - offset_of!(Frame, r15) == TRAP_FRAME_WORDS * 8
        && size_of::<Frame>().is_multiple_of(16)
);

/// One accessor pair for a register.
macro_rules! register {
    ($(#[$about:meta])* $get:ident, $set:ident, $field:ident) => {
        $(#[$about])*
        #[inline]
        pub fn $get(&self) -> u64 {
            self.$field.get()
        }

        /// Sets it.
        #[inline]
        pub fn $set(&self, value: u64) {
            self.$field.set(value);
        }
    };
}

impl Frame {
    /// The registers of a thread at its first instruction (abi/05 ex_regs).
    pub const fn new() -> Self {
        // SAFETY: cells of numbers, which may be zero.
        let mut frame: Self = unsafe { core::mem::zeroed() };
        frame.cs = Cell::new(selector::USER_CODE as u64);
        frame.rflags = Cell::new(rflags::INITIAL);
        frame.ss = Cell::new(selector::USER_DATA as u64);
        frame
    }

    register!(/// System call: the message tag.
        tag, set_tag, rax);
    register!(/// System call: the label.
        label, set_label, rsi);
    register!(/// System call: the destination and the operation's flags.
        destination, set_destination, rdx);
    register!(/// Instruction pointer.
        ip, set_ip, rip);
    register!(/// Stack pointer.
        sp, set_sp, rsp);
    register!(/// The exception's error code.
        error, set_error, error);
    register!(/// The address of the last page fault.
        fault_address, set_fault_address, fault_address);

    /// System call: the pair of timeouts.
    #[inline]
    pub fn timeouts(&self) -> u32 {
        self.r8.get() as u32
    }

    /// Argument 0 or 1 of a function that user mode enters.
    #[inline]
    pub fn argument(&self, number: usize) -> u64 {
        [&self.rdi, &self.rsi][number].get()
    }

    /// Sets argument 0 or 1.
    #[inline]
    pub fn set_argument(&self, number: usize, value: u64) {
        [&self.rdi, &self.rsi][number].set(value);
    }

    /// Turns a system call into an exception at its instruction. The registers
    /// that the instruction destroyed have the values that it left in them.
    pub fn rewind_syscall(&self) {
        self.rcx.set(self.rip.get());
        self.r11.set(self.rflags.get());
        self.rip.set(self.rip.get().wrapping_sub(SYSCALL_LENGTH));
    }

    /// Tells that the exception is a system call, not executed yet (aliens).
    pub fn mark_syscall_exception(&self) {
        self.mark(trap::SYSTEM_CALL, 0);
    }

    /// Tells that the exception is a system call that has been executed.
    pub fn mark_syscall_executed(&self) {
        self.mark(trap::SYSTEM_CALL, 1);
    }

    /// Tells that the exception was triggered by ex_regs.
    pub fn mark_triggered(&self) {
        self.mark(trap::TRIGGERED, 0);
    }

    fn mark(&self, number: u64, error: u64) {
        self.trap_number.set(number);
        self.error.set(error);
    }

    /// Takes back what user mode must not choose of its flags.
    #[inline]
    pub(super) fn sanitise_flags(&self) {
        self.rflags
            .set(USER_FLAGS & self.rflags.get() | rflags::INITIAL);
    }

    /// The words of an exception message that are in the frame.
    pub(super) fn words(&self) -> &[Cell<u64>; TRAP_FRAME_WORDS] {
        // SAFETY: from `r15` on the frame is these words, all of this type.
        unsafe { &*core::ptr::from_ref(&self.r15).cast() }
    }
}

/// All registers of a thread that are switched with it, but the FPU's.
/// Its alignment puts it before other fields: a new thread's frame is cleared
/// where it stays then, not copied there.
#[repr(C, align(32))]
pub struct Context {
    /// What entry code saves.
    pub frame: Frame,
    /// DS, ES, FS, GS from the low bits up.
    selectors: Cell<u64>,
    /// The selectors if neither the thread has descriptors of its own nor they
    /// name any of its task's, else `SPECIAL`. Switches between threads of one kind are fast.
    kind: Cell<u64>,
    /// As user mode has chosen them, canonical or not.
    fs_base: Cell<u64>,
    gs_base: Cell<u64>,
    segments: [Cell<u64>; USER_SEGMENTS],
}

impl Context {
    /// A thread that has not run.
    pub const fn new() -> Self {
        Self {
            frame: Frame::new(),
            selectors: Cell::new(PLAIN),
            kind: Cell::new(PLAIN),
            fs_base: Cell::new(0),
            gs_base: Cell::new(0),
            segments: [const { Cell::new(0) }; USER_SEGMENTS],
        }
    }

    /// Tells user mode where its UTCB is: GS base points to the word that
    /// [`prepare_utcb`](Self::prepare_utcb) writes. For a thread that is not current.
    pub fn set_utcb(&self, address: u64) {
        self.gs_base
            .set(address.wrapping_add(KERNEL_WORD_OFFSET as u64));
        self.fs_base.set(0);
    }

    /// Writes what a thread finds in its UTCB at `address`: where that is
    /// (abi/02).
    pub fn prepare_utcb(utcb: &Utcb, address: u64) {
        utcb.set_word(KERNEL_WORD_OFFSET / 8, address);
    }

    /// The one whose registers this CPU has.
    pub(super) fn loaded(cpu: &CpuBlock) -> Option<&Self> {
        // SAFETY: `switch` named the frame, which begins a context. Both stay until another one
        // is named, or none.
        unsafe { cpu.frame().cast::<Self>().as_ref() }
    }

    /// Whether the thread is the one whose registers this CPU has.
    fn is_loaded(&self, cpu: &CpuBlock) -> bool {
        core::ptr::eq(cpu.frame(), &self.frame)
    }

    /// The CPU's flags, as the thread operation ex_regs tells them.
    #[inline]
    pub fn flags(&self) -> u64 {
        self.frame.rflags.get()
    }

    /// Whether it has more to be switched than other programs.
    pub fn is_privileged(&self) -> bool {
        false
    }

    /// Sets the execution level that ex_regs asks for.
    ///
    /// # Errors
    /// EINVAL for any: there is one level here.
    pub fn set_privilege(&self, _: &CpuBlock, _: &IrqChip, level: u64) -> Result<(), ResultCode> {
        (level == 0).then_some(()).ok_or(ResultCode::EINVAL)
    }

    /// Puts the exception message of this thread into `utcb` (abi/02).
    pub fn save_exception(&self, cpu: &CpuBlock, utcb: &Utcb) {
        if self.is_loaded(cpu) {
            self.save_live();
        }
        for (index, word) in self.frame.words().iter().enumerate() {
            utcb.set_word(index, word.get());
        }
        let [fs_base, gs_base] = self.segment_bases();
        utcb.set_word(TRAP_FRAME_WORDS, fs_base);
        utcb.set_word(TRAP_FRAME_WORDS + 1, gs_base);
        utcb.set_word(TRAP_FRAME_WORDS + 2, self.selectors.get());
    }

    /// Takes the registers from a reply with at least [`EXCEPTION_WORDS`]
    /// words in `utcb`, but what user mode must not choose (abi/02). For a
    /// thread that is not current.
    pub fn load_exception(&self, utcb: &Utcb) {
        let cs = self.frame.cs.get() & !SYSCALL_MARKER;
        for (index, word) in self.frame.words().iter().enumerate() {
            word.set(utcb.word(index));
        }
        self.frame.cs.set(cs);
        self.frame.sanitise_flags();
        for (base, index) in [&self.fs_base, &self.gs_base]
            .into_iter()
            .zip(TRAP_FRAME_WORDS..)
        {
            let address = utcb.word(index);
            if is_canonical(address) {
                base.set(address);
            }
        }
        self.selectors.set(utcb.word(TRAP_FRAME_WORDS + 2));
        self.update_kind();
    }

    /// Carries out an architecture-specific operation of the thread protocol
    /// (abi/05: segments) on this thread; `words` is its message from MR0 on.
    ///
    /// # Errors
    /// ENOSYS for an unknown operation; EINVAL for an entry, segment or
    /// address that there is not; EMSGTOOSHORT.
    pub fn thread_operation(
        &self,
        cpu: &CpuBlock,
        operation: u64,
        words: &[u64],
    ) -> Result<OperationReply, ResultCode> {
        if self.is_loaded(cpu) {
            self.save_live();
        }
        match OpcodeX86::from_word(operation) {
            Some(OpcodeX86::Gdt) => {
                let answer = self.set_descriptors(words)?;
                self.apply(cpu);
                Ok(answer)
            }
            Some(OpcodeX86::SetSegmentBase) => {
                let &[request, address, ..] = words else {
                    return Err(ResultCode::EMSGTOOSHORT);
                };
                self.set_base(request >> 16 & 0xffff, address)?;
                self.apply(cpu);
                Ok(OperationReply::default())
            }
            Some(OpcodeX86::SegmentInfo) => Ok(OperationReply {
                label: 0,
                words: [segment::USER_DS, segment::USER_CS64, segment::USER_CS32].map(u64::from),
                count: 3,
            }),
            None => Err(ResultCode::ENOSYS),
        }
    }
}

/// RFLAGS that an exception handler may choose: neither I/O privilege nor
/// nested task, and none that `iretq` refuses.
pub(super) const USER_FLAGS: u64 = 0x0025_0dd5;

/// Makes `to` the thread that runs when the kernel is left; `from` ran until
/// now on this CPU. Address space and FPU are switched elsewhere.
#[inline(always)]
pub fn switch(cpu: &CpuBlock, from: &Context, to: &Context) {
    from.save_selectors();
    let kind = from.kind.get();
    if from.selectors.get() == kind && load_data_selectors(kind, to.kind.get()) {
        to.load_fs_base();
        to.load_gs_base();
    } else {
        exchange_segments(cpu, from, to);
    }
    let frame = core::ptr::from_ref(&to.frame);
    cpu.set_frame(frame);
    cpu.set_registers(frame.cast());
    cpu.arch
        .set_entry_stack(frame.addr() as u64 + size_of::<Frame>() as u64);
}
