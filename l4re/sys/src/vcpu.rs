//! The calling thread as a virtual CPU (`abi/06` §1 to §4): its state, and going on with it.
//!
//! [`Thread::vcpu_control_extended`](crate::object::Thread::vcpu_control_extended) makes a thread a
//! vCPU with its state in kernel-user memory. [`Vcpu::run`] then runs code of another task until the
//! next system call, fault or message, and returns like a function. Who wants its own entry code, or
//! entries in the vCPU's kernel mode, sets entry point and stack and uses [`Vcpu::resume`].

#[cfg(feature = "more-operations")]
mod user_data;

use core::ptr;

use l4_abi::capability::Selector;
use l4_abi::exception::ExceptionFrame;
use l4_abi::item::MapItem;
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::{Destination, Operation};
use l4_abi::protocol::{label, thread};
use l4_abi::vcpu::{RESUME_PENDING, StateFlags, StickyFlags, UserTask, VcpuState};

use crate::ipc::{Arrival, check, compose};
use crate::{Result, Utcb};

/// The state of a vCPU. The kernel changes it behind the program's back, so every access is a
/// volatile one of a single field.
#[derive(Clone, Copy, Debug)]
pub struct Vcpu(*mut VcpuState);

macro_rules! fields {
    ($($(#[$doc:meta])* $get:ident, $set:ident: $field:ident as $type:ty, $from:expr, $to:expr;)*) => {
        $(
            $(#[$doc])*
            #[inline]
            pub fn $get(self) -> $type {
                // SAFETY: the state is there as long as the value, by the contract of `new`.
                $from(unsafe { (&raw const (*self.0).$field).read_volatile() })
            }

            /// Sets it.
            #[inline]
            pub fn $set(self, value: $type) {
                // SAFETY: as above; all bits are a value.
                unsafe { (&raw mut (*self.0).$field).write_volatile($to(value)) }
            }
        )*
    };
}

impl Vcpu {
    /// The state at `address`.
    ///
    /// # Safety
    /// `address` is a multiple of eight in kernel-user memory, with room for a [`VcpuState`], that
    /// stays mapped as long as the value is used.
    pub const unsafe fn new(address: usize) -> Self {
        Self(ptr::with_exposed_provenance_mut(address))
    }

    /// Its address, for the system calls that name it.
    pub fn address(self) -> u64 {
        self.0.addr() as u64
    }

    fields! {
        /// What enters now.
        state, set_state: state as StateFlags, StateFlags::from_bits_retain, |flags: StateFlags| flags.bits();
        /// What entered before the last entry, and will after the next resume.
        saved_state, set_saved_state: saved_state as StateFlags, StateFlags::from_bits_retain, |flags: StateFlags| flags.bits();
        /// Whether messages wait.
        sticky_flags, set_sticky_flags: sticky_flags as StickyFlags, StickyFlags::from_bits_retain, |flags: StickyFlags| flags.bits();
        /// The registers of the interrupted code, which the next resume loads.
        registers, set_registers: registers as ExceptionFrame, |frame| frame, |frame| frame;
        /// The task that user mode runs in, and what the next resume does about it.
        user_task, set_user_task: user_task as UserTask, UserTask::from_raw, |task: UserTask| task.raw();
        /// Stack for entries from user mode.
        entry_stack, set_entry_stack: entry_stack as u64, |word| word, |word| word;
        /// Where entries begin, with the address of the state as argument.
        entry_instruction, set_entry_instruction: entry_instruction as u64, |word| word, |word| word;
        /// The version of the layout that the kernel uses, and nothing else.
        version, set_version: version as u64, |word| word, |word| word;
        /// The stack that the kernel chose for the last entry.
        reserved_stack, set_reserved_stack: reserved_stack as u64, |word| word, |word| word;
    }

    /// The address of byte `offset` of an extended vCPU's state.
    pub fn extension(self, offset: usize) -> *mut u8 {
        self.0.cast::<u8>().wrapping_add(offset)
    }

    /// Tag and label of the last message that entered.
    pub fn message(self) -> Arrival {
        // SAFETY: as for the fields.
        let (tag, label) = unsafe {
            let registers = &raw const (*self.0).ipc;
            (
                (&raw const (*registers).tag).read_volatile(),
                (&raw const (*registers).label).read_volatile(),
            )
        };
        Arrival {
            tag: MessageTag::from_raw(tag),
            label,
        }
    }

    /// Runs user mode from the registers in the state, in the user task, until something enters.
    /// Before that, `items` are mapped from the own task to the user task.
    ///
    /// Entry point and entry stack become this function's.
    ///
    /// # Errors
    /// ENOENT if there is no user task or it is being destroyed, EPERM without the S right on it,
    /// EINVAL if the calling thread is not this vCPU or is not to enter user mode. Then nothing
    /// has run.
    #[inline]
    pub fn run(self, items: &[MapItem]) -> Result<()> {
        if !self.saved_state().contains(StateFlags::USER_MODE) {
            return Err(l4_abi::error::ResultCode::EINVAL.into());
        }
        let tag = compose(label::THREAD, &[thread::Opcode::VcpuResume.word()], items);
        // SAFETY: the entry comes back on this very stack, with all registers that a function
        // keeps; the user task's code has its own memory.
        let tag = unsafe { crate::arch::vcpu::run(self.0, tag.raw(), DESTINATION) };
        match tag {
            crate::arch::vcpu::ENTERED => Ok(()),
            tag => self.refused(MessageTag::from_raw(tag)),
        }
    }

    /// Runs the guest in the virtual machine that the user task is, with its state in the
    /// extended state, until there is something for its VMM.
    ///
    /// Entry point and entry stack become this function's.
    ///
    /// # Errors
    /// As for [`run`](Self::run), and EINVAL if the vCPU is not an extended one or its extended
    /// state is wrong.
    pub fn run_guest(self, items: &[MapItem]) -> Result<GuestEnd> {
        if !self.saved_state().contains(StateFlags::USER_MODE) {
            return Err(l4_abi::error::ResultCode::EINVAL.into());
        }
        let tag = compose(label::THREAD, &[thread::Opcode::VcpuResume.word()], items);
        // SAFETY: as in `run`; the guest has its own memory.
        let tag = unsafe { crate::arch::vcpu::run(self.0, tag.raw(), DESTINATION) };
        if tag == crate::arch::vcpu::ENTERED {
            return Ok(GuestEnd::Entered);
        }
        let tag = MessageTag::from_raw(tag);
        self.refused(tag)?;
        Ok(match tag.label() {
            RESUME_PENDING => GuestEnd::Pending,
            _ => GuestEnd::Exit,
        })
    }

    /// Goes on with the registers in the state, in the mode that `saved_state` says.
    ///
    /// # Errors
    /// As for [`run`](Self::run); there is no other way in which it returns.
    ///
    /// # Safety
    /// Registers, entry point and entry stack are such that the program can go on with them.
    pub unsafe fn resume(self, items: &[MapItem]) -> Result<()> {
        let tag = compose(label::THREAD, &[thread::Opcode::VcpuResume.word()], items);
        // SAFETY: promised by the caller.
        let (tag, _) = unsafe { crate::arch::system_call(tag.raw(), DESTINATION, 0, 0) };
        self.refused(MessageTag::from_raw(tag))
    }

    fn refused(self, tag: MessageTag) -> Result<()> {
        if tag.has_error() {
            return Err(Utcb::current().error().into());
        }
        check(tag).map(|_| ())
    }
}

/// A vCPU with an extended state, for virtual machines.
#[derive(Clone, Copy, Debug)]
pub struct ExtendedVcpu(Vcpu);

impl ExtendedVcpu {
    /// The one with its state at `address`.
    ///
    /// # Safety
    /// As for [`Vcpu::new`], with room for the extended state behind the other.
    pub const unsafe fn new(address: usize) -> Self {
        // SAFETY: promised by the caller.
        Self(unsafe { Vcpu::new(address) })
    }

    /// Its basic state.
    pub const fn vcpu(self) -> Vcpu {
        self.0
    }
}

/// Why a guest does not run any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestEnd {
    /// The reason is in the extended state.
    Exit,
    /// A message waits; it is still to be received.
    Pending,
    /// Something has entered the vCPU.
    Entered,
}

/// A resume is a call to the thread itself.
const DESTINATION: u64 = Destination::new(Selector::INVALID, Operation::CALL).raw();
