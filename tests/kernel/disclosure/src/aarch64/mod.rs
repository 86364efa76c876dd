//! Code and registers of aarch64.

use core::arch::{asm, naked_asm};

use l4_test::abi::arch::aarch64::exception::{
    ExceptionFrame, FRAME_WORDS, class, exception_class, pstate,
};
use l4_test::abi::kip::MemoryType;
use l4_test::kip;

macro_rules! code {
    ($($name:ident: $($line:literal),+;)*) => {
        $(
            #[unsafe(naked)]
            pub(crate) unsafe extern "C" fn $name() {
                naked_asm!($($line),+)
            }
        )*
    };
}

code! {
    undefined: "udf #0";
    system_call: "svc #0", "udf #0";
    // Reads without a register.
    touch: "ldr xzr, [x0]", "udf #0";
    use_fpu: ".arch_extension fp", "fmov d0, xzr", "udf #0", ".arch_extension nofp";
    // Until the value is there that it has at last.
    spin: "2:", "ldr x1, [x0]", "cbz x1, 2b", "udf #0";
}

/// Flags in PSTATE that comparisons set.
const CONDITIONS: u64 = 0xf << 28;

/// Whether it leads into the memory that the kernel has for itself, which has the same addresses
/// for it as physically.
pub(crate) fn is_kernel_address(value: u64) -> bool {
    let mut own = kip::memory_descriptors()
        .filter(|range| range.kind() == Some(MemoryType::Reserved) && !range.is_virtual())
        .peekable();
    assert!(own.peek().is_some(), "no memory is the kernel's");
    own.any(|range| (range.start()..=range.last()).contains(&value))
}

/// A number of its own in each register, and `start` as the next instruction.
pub(crate) fn fill(frame: &mut ExceptionFrame, start: u64) {
    for (value, register) in (0x101..).zip(&mut frame.x) {
        *register = value;
    }
    frame.pc = start;
    frame.fault_address = 0;
}

pub(crate) fn set_argument(frame: &mut ExceptionFrame, value: u64) {
    frame.x[0] = value;
}

/// What [`spin`] waits for.
pub(crate) fn spin_register(frame: &ExceptionFrame) -> u64 {
    frame.x[1]
}

/// The registers without what [`spin`] changes.
pub(crate) fn without_spinning(frame: ExceptionFrame) -> ExceptionFrame {
    let mut frame = frame;
    frame.x[1] = 0;
    frame
}

pub(crate) fn set_system_call(
    frame: &mut ExceptionFrame,
    tag: u64,
    destination: u64,
    timeouts: u32,
) {
    (frame.x[0], frame.x[2], frame.x[3]) = (tag, destination, u64::from(timeouts));
}

pub(crate) fn set_results(frame: &mut ExceptionFrame, tag: u64, label: u64) {
    (frame.x[0], frame.x[1]) = (tag, label);
}

pub(crate) fn results(frame: &ExceptionFrame) -> (u64, u64) {
    (frame.x[0], frame.x[1])
}

pub(crate) fn is_undefined(frame: &ExceptionFrame) -> bool {
    exception_class(frame.error) == class::UNKNOWN
}

/// The words of a frame that stays in the kernel leave alone.
pub(crate) fn kept(frame: &ExceptionFrame) -> [u64; FRAME_WORDS] {
    let mut frame = *frame;
    (frame.error, frame.pc) = (0, 0);
    frame.to_words()
}

/// Words of an exception message that are no register.
pub(crate) fn reserved_words() -> [usize; 2] {
    [0, 32]
}

/// Checks the registers of a vCPU that has just entered.
pub(crate) fn check_entry(frame: &ExceptionFrame, entry: u64, stack: u64, state: u64) {
    // Those of the code that was interrupted.
    let conditions = frame.pstate & CONDITIONS;
    let mut expected = ExceptionFrame {
        pc: entry,
        sp: stack,
        pstate: pstate::INITIAL | pstate::IRQ_MASK | pstate::FIQ_MASK | conditions,
        error: frame.error,
        fault_address: frame.fault_address,
        tpidrro: frame.tpidrro,
        tpidr: frame.tpidr,
        ..ExceptionFrame::default()
    };
    expected.x[0] = state;
    assert_eq!(*frame, expected);
}

/// What lets user mode write to a page, in tables of every level (D8.3, stage 2).
pub(crate) fn page_table_entry(address: u64) -> u64 {
    const VALID_PAGE_WRITABLE: u64 = 0x4ff;
    const INNER_SHAREABLE: u64 = 3 << 8;
    address | VALID_PAGE_WRITABLE | INNER_SHAREABLE
}

/// Fills all registers of the FPU.
pub(crate) fn fill_fpu() {
    // SAFETY: compiled code here uses no FPU registers.
    unsafe {
        asm!(
            ".arch_extension simd",
            ".irp number, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "dup v\\number\\().2d, {0}",
            ".endr",
            ".arch_extension nosimd",
            in(reg) 0x5a5a_5a5a_5a5a_5a5a_u64,
            options(nomem, nostack),
        );
    }
}

/// Whether all registers of the FPU are as at first.
pub(crate) fn is_fpu_empty() -> bool {
    let mut registers = [0xff_u128; 32];
    // SAFETY: stores all registers to the array.
    unsafe {
        asm!(
            ".arch_extension simd",
            ".irp number, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "str q\\number, [{0}], #16",
            ".endr",
            ".arch_extension nosimd",
            inout(reg) registers.as_mut_ptr() => _,
            options(nostack),
        );
    }
    registers == [0; 32]
}
