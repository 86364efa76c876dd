//! aarch64: registers of an exception message, and exception classes.
//!
//! Source: `abi/02` (exception frames).

/// The registers of a faulting thread, as message words and as `r` of a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct ExceptionFrame {
    /// The kernel's; zero.
    pub continuation: u64,
    /// x0 to x30.
    pub x: [u64; 31],
    /// The kernel's; zero.
    pub reserved: u64,
    /// ESR, or a synthetic value of [`class`].
    pub error: u64,
    /// FAR: valid after an abort.
    pub fault_address: u64,
    /// SP_EL0.
    pub sp: u64,
    /// Program counter.
    pub pc: u64,
    /// Processor state.
    pub pstate: u64,
    /// TPIDRRO_EL0.
    pub tpidrro: u64,
    /// TPIDR_EL0.
    pub tpidr: u64,
}

/// Words of the frame.
pub const FRAME_WORDS: usize = size_of::<ExceptionFrame>() / 8;
/// Words of the frame that are registers of the trap itself; thread pointers follow.
pub const TRAP_FRAME_WORDS: usize = 38;

impl ExceptionFrame {
    /// The frame as message words.
    pub fn to_words(&self) -> [u64; FRAME_WORDS] {
        let mut words = [0; FRAME_WORDS];
        words[0] = self.continuation;
        words[1..32].copy_from_slice(&self.x);
        words[32..].copy_from_slice(&[
            self.reserved,
            self.error,
            self.fault_address,
            self.sp,
            self.pc,
            self.pstate,
            self.tpidrro,
            self.tpidr,
        ]);
        words
    }

    /// The frame that message words hold.
    pub fn from_words(words: &[u64; FRAME_WORDS]) -> ExceptionFrame {
        let [
            continuation,
            registers @ ..,
            reserved,
            error,
            fault_address,
            sp,
            pc,
            pstate,
            tpidrro,
            tpidr,
        ] = words;
        ExceptionFrame {
            continuation: *continuation,
            x: *registers,
            reserved: *reserved,
            error: *error,
            fault_address: *fault_address,
            sp: *sp,
            pc: *pc,
            pstate: *pstate,
            tpidrro: *tpidrro,
            tpidr: *tpidr,
        }
    }

    /// Where the thread was.
    pub const fn instruction_pointer(&self) -> u64 {
        self.pc
    }

    /// The same registers at another instruction.
    pub const fn with_instruction_pointer(mut self, address: u64) -> ExceptionFrame {
        self.pc = address;
        self
    }

    /// The thread's stack.
    pub const fn stack_pointer(&self) -> u64 {
        self.sp
    }

    /// The frame pointer, where a backtrace begins.
    pub const fn frame_pointer(&self) -> u64 {
        self.x[29]
    }
}

/// Exception class of a syndrome (ESR bits 31..26).
pub const fn exception_class(syndrome: u64) -> u64 {
    syndrome >> 26 & 0x3f
}

/// A syndrome with only the class set.
pub const fn syndrome(class: u64) -> u64 {
    class << 26
}

/// Exception classes: the architecture's that matter here, and three of the kernel's own.
pub mod class {
    /// Undefined instruction, and whatever has no class.
    pub const UNKNOWN: u64 = 0x00;
    /// Trapped `wfi` or `wfe`.
    pub const WFX: u64 = 0x01;
    /// FPU not available.
    pub const NO_FPU: u64 = 0x07;
    /// Illegal execution state.
    pub const ILLEGAL_STATE: u64 = 0x0e;
    /// `svc` from AArch32.
    pub const SVC32: u64 = 0x11;
    /// `hvc` from AArch32.
    pub const HVC32: u64 = 0x12;
    /// `svc` from AArch64.
    pub const SVC64: u64 = 0x15;
    /// `hvc` from AArch64.
    pub const HVC64: u64 = 0x16;
    /// `smc` from AArch64.
    pub const SMC64: u64 = 0x17;
    /// Trapped system register access.
    pub const SYSTEM_REGISTER: u64 = 0x18;
    /// Instruction abort.
    pub const INSTRUCTION_ABORT_LOWER: u64 = 0x20;
    /// Data abort.
    pub const DATA_ABORT_LOWER: u64 = 0x24;
    /// `brk`.
    pub const BREAKPOINT: u64 = 0x3c;
    /// Virtual interrupt of the CPU entered a vCPU.
    pub const VIRTUAL_PPI: u64 = 0x3d;
    /// Triggered by the thread operation `ex_regs`.
    pub const TRIGGERED: u64 = 0x3e;
    /// A message entered a vCPU.
    pub const IPC: u64 = 0x3f;
}

/// Bit of the syndrome when an alien's permitted system call has been executed.
pub const SYNDROME_ALIEN_AFTER_SYSTEM_CALL: u64 = 1 << 16;

/// Bits of PSTATE.
pub mod pstate {
    /// Mode bits.
    pub const MODE_MASK: u64 = 0x1f;
    /// AArch64 EL0.
    pub const EL0T: u64 = 0x0;
    /// AArch64 EL1 with SP_EL0.
    pub const EL1T: u64 = 0x4;
    /// AArch64 EL1 with SP_EL1.
    pub const EL1H: u64 = 0x5;
    /// FIQ masked.
    pub const FIQ_MASK: u64 = 1 << 6;
    /// IRQ masked.
    pub const IRQ_MASK: u64 = 1 << 7;
    /// SError masked: set in user mode.
    pub const SERROR_MASK: u64 = 1 << 8;
    /// Debug exceptions masked.
    pub const DEBUG_MASK: u64 = 1 << 9;
    /// Illegal execution state.
    pub const ILLEGAL: u64 = 1 << 20;
    /// What a new thread begins with.
    pub const INITIAL: u64 = EL0T | SERROR_MASK;
}
