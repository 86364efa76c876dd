//! What exceptions and interrupts mean.

use l4_abi::arch::aarch64::exception::exception_class;
use l4_abi::arch::aarch64::fault::fault_word;

use super::context::{Context, Frame};
use super::syndrome::{Cause, has_address};
use super::vm;
pub use crate::event::{Fault, Source};
use crate::panic;
use crate::per_cpu::CpuBlock;

/// An interrupt as the CPU reports it: the chip knows which
/// ([`IrqChip::claim`](super::irqchip::IrqChip::claim)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Interrupt(u64);

unsafe extern "C" {
    /// The kernel's part, see [`upcalls!`](crate::upcalls).
    fn brio_syscall(cpu: *mut CpuBlock);
    fn brio_fault(cpu: *mut CpuBlock, fault: &Fault);
    fn brio_interrupt(cpu: *mut CpuBlock, interrupt: Interrupt);
}

/// Exception classes of the kernel itself.
mod kernel_class {
    pub(super) const INSTRUCTION_ABORT: u64 = 0x21;
    pub(super) const DATA_ABORT: u64 = 0x25;
    pub(super) const SERROR: u64 = 0x2f;
}

/// Calls the kernel for an interrupt from user mode or in idle.
///
/// # Safety
/// Only for entry code; `cpu` is this CPU's block.
pub(super) unsafe extern "C" fn interrupt(cpu: *mut CpuBlock) {
    // SAFETY: promised by the caller.
    unsafe {
        Frame::take_registers(&*cpu);
        brio_interrupt(cpu, Interrupt(0));
    }
}

/// Calls the kernel for a synchronous exception of user mode that is not an
/// AArch64 `svc`, and for SErrors.
///
/// # Safety
/// Only for entry code; `cpu` is this CPU's block, its frame has been saved.
pub(super) unsafe extern "C" fn fault(cpu: *mut CpuBlock, syndrome: u64) {
    // SAFETY: promised by the caller.
    Frame::take_registers(unsafe { &*cpu });
    let cause = Cause::of(syndrome);
    if cause == Cause::Syscall {
        // SAFETY: promised by the caller.
        return unsafe { brio_syscall(cpu) };
    }
    // SAFETY: the frame is the current thread's, the first field of its context.
    let context: &Context = unsafe { &*(*cpu).frame().cast() };
    let address = if has_address(syndrome) {
        let address = read_register!("far_el2");
        if context.level.get() == vm::Level::Guest {
            vm::fault_address(syndrome, address)
        } else {
            address
        }
    } else {
        0
    };
    context.frame.set_fault_address(address);
    let fault = match cause {
        Cause::Mapping => Fault::Page {
            address,
            bits: fault_word(0, syndrome).raw(),
            beyond_user: false,
        },
        Cause::FpuUnavailable => Fault::FpuUnavailable,
        Cause::Syscall | Cause::Other => Fault::Exception,
    };
    // SAFETY: promised by the caller.
    unsafe { brio_fault(cpu, &fault) }
}

/// The kernel itself caused an exception. `frame_pointer` and `stack_pointer`
/// are what it had then.
pub(super) extern "C" fn kernel_exception(frame_pointer: u64, stack_pointer: u64) -> ! {
    let syndrome = read_register!("esr_el2");
    let kind = match exception_class(syndrome) {
        kernel_class::SERROR => "SError",
        kernel_class::INSTRUCTION_ABORT => "instruction abort",
        kernel_class::DATA_ABORT => "data abort",
        _ => "exception",
    };
    panic::fatal(
        format_args!(
            "{kind} at EL2: esr {syndrome:#x}, elr {:#x}, far {:#x}, sp {stack_pointer:#x}",
            read_register!("elr_el2"),
            read_register!("far_el2"),
        ),
        &[read_register!("elr_el2")],
        frame_pointer,
    )
}
