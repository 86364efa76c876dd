//! What exceptions and interrupts mean.

use l4_abi::arch::aarch64::exception::{class, exception_class};
use l4_abi::arch::aarch64::fault::fault_word;

use super::context::{Context, Frame};
use super::panic;
pub use crate::event::{Fault, Source};
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

/// PC alignment fault, whose address is in FAR too.
const PC_ALIGNMENT: u64 = 0x22;
/// SError.
const SERROR: u64 = 0x2f;
/// Syndrome bits 5..2 of an abort: what kind it is.
const STATUS_TYPE: u64 = 0x3c;

/// Calls the kernel for an interrupt from user mode or in idle.
///
/// # Safety
/// Only for entry code; `cpu` is this CPU's block.
pub(super) unsafe extern "C" fn interrupt(cpu: *mut CpuBlock) {
    // SAFETY: promised by the caller.
    unsafe { brio_interrupt(cpu, Interrupt(0)) }
}

/// Calls the kernel for a synchronous exception of user mode that is not an
/// AArch64 `svc`, and for SErrors.
///
/// # Safety
/// Only for entry code; `cpu` is this CPU's block, its frame has been saved.
pub(super) unsafe extern "C" fn fault(cpu: *mut CpuBlock, syndrome: u64) {
    // SAFETY: the frame is the current thread's, the first field of its context.
    let frame: &Frame = unsafe { &*(*cpu).frame() };
    let class = exception_class(syndrome);
    if matches!(class, class::SVC32 | class::HVC32 | class::HVC64) {
        // SAFETY: promised by the caller.
        return unsafe { brio_syscall(cpu) };
    }
    let has_address = matches!(
        class,
        class::INSTRUCTION_ABORT_LOWER | class::DATA_ABORT_LOWER | PC_ALIGNMENT
    );
    // Otherwise the register may tell what another thread did.
    frame.set_fault_address(if has_address {
        read_register!("far_el2")
    } else {
        0
    });
    // SAFETY: as above.
    unsafe { (*cpu).frame().cast::<Context>().as_ref_unchecked() }.save_live();

    let fault = match class {
        class::INSTRUCTION_ABORT_LOWER | class::DATA_ABORT_LOWER if is_mapping_fault(syndrome) => {
            let address = frame.fault_address();
            Fault::Page {
                address,
                bits: fault_word(0, syndrome).raw(),
                beyond_user: false,
            }
        }
        class::NO_FPU => Fault::FpuUnavailable,
        _ => Fault::Exception {
            port_access_possible: false,
        },
    };
    // SAFETY: promised by the caller.
    unsafe { brio_fault(cpu, &fault) }
}

/// Whether a pager may help: address size, translation, access flag and
/// permission faults, but not alignment faults and bus errors.
fn is_mapping_fault(syndrome: u64) -> bool {
    syndrome & STATUS_TYPE <= 0xc
}

/// The kernel itself caused an exception. `frame_pointer` and `stack_pointer`
/// are what it had then.
pub(super) extern "C" fn kernel_exception(frame_pointer: u64, stack_pointer: u64) -> ! {
    let syndrome = read_register!("esr_el2");
    let kind = match exception_class(syndrome) {
        SERROR => "SError",
        0x21 => "instruction abort",
        0x25 => "data abort",
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
