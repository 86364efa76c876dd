//! What a virtual machine's monitor reads and writes of its guest's CPU, by AMD's SVM or Intel's VMX, whichever the
//! host's processor has (x86_64; `abi/06` §5).
//!
//! [`Hardware`] is the one surface of both. The monitor knows registers, segments, events and reasons for exits
//! ([`Exit`]); where the processor has them, and how it gives a guest an interrupt, `svm` and `vmx` know.
#![no_std]
#![forbid(unsafe_code)]
#![cfg(all(target_os = "none", target_arch = "x86_64"))]

extern crate alloc;

mod svm;
#[cfg_attr(not(feature = "vmx"), path = "vmx/absent.rs")]
mod vmx;

use alloc::boxed::Box;

use l4_sys::vcpu::ExtendedVcpu;

/// CPUID 0x8000_0001 ECX.
const HAS_SVM: u32 = 1 << 2;

/// The state of the guest of `vcpu`, on a processor with SVM or VMX. None, if it has VMX, and this is built without.
pub fn of(vcpu: ExtendedVcpu) -> Option<Box<dyn Hardware>> {
    let has_svm = core::arch::x86_64::__cpuid(0x8000_0001).ecx & HAS_SVM != 0;
    match has_svm {
        true => Some(Box::new(svm::Svm::new(vcpu))),
        false => vmx::of(vcpu),
    }
}

/// A register that some processors keep elsewhere than in the vCPU's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// RAX.
    Ax,
    /// RSP.
    Sp,
    /// RIP.
    Ip,
    /// RFLAGS.
    Flags,
    /// CR0.
    Cr0,
    /// CR3.
    Cr3,
    /// CR4.
    Cr4,
    /// EFER as the guest sees it.
    Efer,
    /// The PAT.
    PageAttributes,
}

impl Register {
    /// All of them.
    pub const ALL: [Self; 9] = {
        use Register::*;
        [Ax, Sp, Ip, Flags, Cr0, Cr3, Cr4, Efer, PageAttributes]
    };
}

/// Why a guest has exited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// IN, at this port, of so many bytes.
    In(u16, u8),
    /// OUT.
    Out(u16, u8),
    /// RDMSR.
    ReadMsr,
    /// WRMSR.
    WriteMsr,
    /// A move from this debug register, to this general register if the processor tells.
    ReadDebug(usize, Option<usize>),
    /// One to that.
    WriteDebug(usize, Option<usize>),
    /// CPUID.
    Cpuid,
    /// HLT.
    Halt,
    /// VMMCALL or VMCALL.
    Hypercall,
    /// Caches are to be written back or forgotten.
    Caches,
    /// The guest is to get this exception.
    Exception(u64),
    /// The guest is to get a debug exception, for these reasons in DR6 if that is not its own.
    Debug(u64),
    /// It was the processor's affair, and is done.
    Done(&'static str),
    /// The guest cannot go on.
    TripleFault,
    /// What no machine has.
    Other,
}

/// What a processor keeps of a guest, and where.
pub trait Hardware {
    /// The state that all starts have in common, but for registers and segments.
    fn reset(&mut self);

    /// A register.
    fn get(&self, register: Register) -> u64;

    /// Sets it.
    fn set(&mut self, register: Register, value: u64);

    /// Sets one of the [segments](segment). Rights are bits 40 to 47 and 52 to 55 of its descriptor.
    fn set_segment(&mut self, number: usize, selector: u16, rights: u16, limit: u32, base: u64);

    /// A model-specific register that is in the guest's state, but EFER and PAT.
    fn msr(&self, _number: u32) -> Option<u64> {
        None
    }

    /// Sets it, unless it is none, or cannot have that value.
    fn set_msr(&mut self, _number: u32, _value: u64) -> Option<()> {
        None
    }

    /// The guest is about to run.
    fn enter(&mut self);

    /// It has run, until it exited or before. An event that was on its way into it comes again.
    fn leave(&mut self, has_exited: bool);

    /// Why it has exited. What only the processor makes exit is done with this.
    fn exit(&mut self) -> Exit;

    /// What the processor says of the exit.
    fn exit_words(&self) -> [u64; 3];

    /// Where the instruction that has exited ends.
    fn next_instruction(&self) -> u64;

    /// Goes on there, or elsewhere: the instruction before is done, and keeps off interrupts no longer.
    fn go_on_at(&mut self, instruction: u64);

    /// Lets the guest take this interrupt as soon as it takes any, or none.
    fn offer(&mut self, vector: Option<u8>);

    /// Whether the guest has yet to take it.
    fn has_offer(&self) -> bool;

    /// Whether an NMI can be injected with the next run. If not, an exit tells when that may be so.
    fn has_room_for_nmi(&mut self) -> bool;

    /// The event comes with the next run.
    fn inject(&mut self, event: u64);
}

/// Segments and tables. Before those named here are ES, CS, SS, DS, FS, GS.
#[allow(missing_docs, reason = "the names say all")]
pub mod segment {
    pub const CODE: usize = 1;
    pub const GDT: usize = 6;
    pub const LDT: usize = 7;
    pub const IDT: usize = 8;
    pub const TASK_STATE: usize = 9;
}

/// Exceptions that a guest gets.
#[allow(missing_docs, reason = "the names say all")]
pub mod vector {
    pub const DEBUG: u64 = 1;
    pub const INVALID_OPCODE: u64 = 6;
    pub const GENERAL_PROTECTION: u64 = 13;
    pub const ALIGNMENT_CHECK: u64 = 17;
}

/// Events to inject: a vector, of a kind, that is valid.
pub mod event {
    /// There is one.
    pub const VALID: u64 = 1 << 31;
    /// It has an error code, which is 0.
    pub const HAS_ERROR: u64 = 1 << 11;
    /// An exception.
    pub const EXCEPTION: u64 = 3 << 8;
    /// The NMI.
    pub const NON_MASKABLE: u64 = 2 << 8 | 2;
}

/// Which of the words of an exception frame is the general register that instructions name by this number. That of
/// RSP (4) is something else.
pub fn word_of_register(number: usize) -> usize {
    15 - (number & 15)
}
