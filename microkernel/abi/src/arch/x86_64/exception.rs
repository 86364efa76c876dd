//! x86_64: registers of an exception message, and trap numbers.
//!
//! Source: `abi/02` (exception frames), `abi/01` (synthetic traps).

/// Defines the frame by its words: registers, then the last word with four segments.
macro_rules! frame {
    ($($(#[$attribute:meta])* $register:ident,)+) => {
        /// The registers of a faulting thread, as message words and as `r` of a vCPU.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        #[repr(C)]
        #[expect(missing_docs, reason = "the fields are the registers of that name")]
        pub struct ExceptionFrame {
            $($(#[$attribute])* pub $register: u64,)+
            pub ds: u16,
            pub es: u16,
            pub fs: u16,
            pub gs: u16,
        }

        impl ExceptionFrame {
            /// The frame as message words.
            pub const fn to_words(&self) -> [u64; FRAME_WORDS] {
                let Self { $($register,)+ ds, es, fs, gs } = *self;
                let segments =
                    ds as u64 | (es as u64) << 16 | (fs as u64) << 32 | (gs as u64) << 48;
                [$($register,)+ segments]
            }

            /// The frame that message words hold.
            pub const fn from_words(words: &[u64; FRAME_WORDS]) -> ExceptionFrame {
                let [$($register,)+ segments] = *words;
                ExceptionFrame {
                    $($register,)+
                    ds: segments as u16,
                    es: (segments >> 16) as u16,
                    fs: (segments >> 32) as u16,
                    gs: (segments >> 48) as u16,
                }
            }
        }
    };
}

frame! {
    r15,
    r14,
    r13,
    r12,
    r11,
    r10,
    r9,
    r8,
    rdi,
    rsi,
    rbp,
    /// CR2: valid after a page fault.
    fault_address,
    rbx,
    rdx,
    rcx,
    rax,
    /// Vector, or one of [`trap`]'s synthetic numbers.
    trap,
    /// The CPU's error code.
    error,
    rip,
    cs,
    rflags,
    rsp,
    ss,
    fs_base,
    gs_base,
}

/// Words of the frame.
pub const FRAME_WORDS: usize = size_of::<ExceptionFrame>() / 8;
/// Words of the frame that are registers of the trap itself; segments follow.
pub const TRAP_FRAME_WORDS: usize = 23;

impl ExceptionFrame {
    /// Where the thread was.
    pub const fn instruction_pointer(&self) -> u64 {
        self.rip
    }

    /// The same registers at another instruction.
    pub const fn with_instruction_pointer(mut self, address: u64) -> ExceptionFrame {
        self.rip = address;
        self
    }

    /// The thread's stack.
    pub const fn stack_pointer(&self) -> u64 {
        self.rsp
    }

    /// The frame pointer, where a backtrace begins.
    pub const fn frame_pointer(&self) -> u64 {
        self.rbp
    }
}

/// Values of [`ExceptionFrame::trap`]: CPU vectors, and three of the kernel's own.
pub mod trap {
    /// Division error.
    pub const DIVIDE: u64 = 0;
    /// Debug exception.
    pub const DEBUG: u64 = 1;
    /// `int3`; the instruction pointer is behind it.
    pub const BREAKPOINT: u64 = 3;
    /// Undefined instruction.
    pub const UNDEFINED: u64 = 6;
    /// FPU not available.
    pub const NO_FPU: u64 = 7;
    /// General protection.
    pub const GENERAL_PROTECTION: u64 = 13;
    /// Page fault.
    pub const PAGE_FAULT: u64 = 14;
    /// System call of an alien thread or of vCPU user mode.
    pub const SYSTEM_CALL: u64 = 0xfd;
    /// A message entered a vCPU.
    pub const IPC: u64 = 0xfe;
    /// Triggered by the thread operation `ex_regs`.
    pub const TRIGGERED: u64 = 0xff;
}

/// Bit of `cs` in frames that begin in a system call.
pub const CS_SYSTEM_CALL: u64 = 0x80;

/// Bits of RFLAGS that the kernel rules on.
pub mod rflags {
    /// Always one.
    pub const RESERVED_1: u64 = 1 << 1;
    /// Interrupts enabled: forced on.
    pub const INTERRUPT: u64 = 1 << 9;
    /// I/O privilege level: forced to zero.
    pub const IO_PRIVILEGE: u64 = 3 << 12;
    /// Nested task: forced to zero.
    pub const NESTED_TASK: u64 = 1 << 14;
    /// What a new thread begins with.
    pub const INITIAL: u64 = RESERVED_1 | INTERRUPT;

    /// The value that the kernel loads for a user's wish.
    pub const fn sanitize(wish: u64) -> u64 {
        wish & !(IO_PRIVILEGE | NESTED_TASK) | INITIAL
    }
}
