//! Faults of aarch64.

use core::arch::{asm, naked_asm};

use l4_test::abi::arch::aarch64::exception::{
    ExceptionFrame, SYNDROME_ALIEN_AFTER_SYSTEM_CALL, class, exception_class, pstate,
};
use l4_test::fault::spawn_paged;

use crate::handler::{answer, await_exception};

/// Flags of a page fault (bit 0: the page is *not* there).
pub(crate) const READ: u64 = 1;
pub(crate) const WRITE: u64 = 3;
pub(crate) const FETCH: u64 = 5;
pub(crate) const WRITE_WITHOUT_RIGHT: u64 = 2;
pub(crate) const FETCH_WITHOUT_RIGHT: u64 = 4;

/// Bytes of the undefined instruction, and of a system call.
pub(crate) const INSTRUCTION: u64 = 4;
pub(crate) const SYSTEM_CALL: u64 = 4;

/// Executes an undefined instruction with `value` in x9, and returns x9.
pub(crate) fn undefined(value: u64) -> u64 {
    undefined_here(value)
}

#[unsafe(naked)]
extern "C" fn undefined_here(value: u64) -> u64 {
    naked_asm!(
        "mov x9, x0",
        ".globl kernel_fault_undefined",
        "kernel_fault_undefined:",
        "udf #0",
        "mov x0, x9",
        "ret",
    )
}

/// Where the thread goes on with its page fault: calls `handle(area, fault)`.
#[unsafe(naked)]
pub(crate) extern "C" fn trampoline() {
    naked_asm!("bl {handle}", "udf #0", handle = sym crate::trampoline::handle)
}

/// The instruction pointer's place in the registers of a trampoline.
pub(crate) const INSTRUCTION_POINTER_WORD: u64 = 36;

#[unsafe(naked)]
pub(crate) extern "C" fn load_here(address: u64) -> u64 {
    naked_asm!(
        ".globl kernel_fault_load",
        "kernel_fault_load:",
        "ldr x0, [x0]",
        "ret",
    )
}

unsafe extern "C" {
    static kernel_fault_undefined: u8;
    static kernel_fault_load: u8;
}

/// Address of the undefined instruction.
pub(crate) fn place_of_undefined() -> u64 {
    &raw const kernel_fault_undefined as u64
}

/// Goes behind the load in [`load_here`], as if it had read `value`.
pub(crate) fn leave_load(frame: &mut ExceptionFrame, value: u64) {
    frame.x[0] = value;
    frame.pc += 4;
}

/// Address of the load in [`load_here`].
pub(crate) fn place_of_load() -> u64 {
    &raw const kernel_fault_load as u64
}

/// Goes on at `address`, where nothing good is.
pub(crate) fn jump(address: u64) {
    // SAFETY: the fetch faults, and the thread is destroyed.
    unsafe { asm!("br {}", in(reg) address, options(noreturn)) }
}

pub(crate) fn register(frame: &ExceptionFrame) -> u64 {
    frame.x[9]
}

pub(crate) fn set_register(frame: &mut ExceptionFrame, value: u64) {
    frame.x[9] = value;
}

/// What [`set_own_register`] sets.
pub(crate) const OWN_VALUE: u64 = 0x1234_5678;

/// Sets TPIDR_EL0, which user mode writes without the kernel.
pub(crate) fn set_own_register(value: u64) {
    // SAFETY: nobody uses the register.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) value) };
}

pub(crate) fn own_register() -> u64 {
    let value;
    // SAFETY: reading the register has no effect.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) value) };
    value
}

pub(crate) fn told_own_register(frame: &ExceptionFrame) -> u64 {
    frame.tpidr
}

/// Goes behind the undefined instruction.
pub(crate) fn skip(frame: &mut ExceptionFrame) {
    frame.pc += INSTRUCTION;
}

/// Makes the state such that `eret` refuses it.
pub(crate) fn make_refused(frame: &mut ExceptionFrame) {
    frame.pstate = 0x9;
}

pub(crate) fn is_undefined(frame: &ExceptionFrame) -> bool {
    exception_class(frame.error) == class::UNKNOWN
}

pub(crate) fn is_page_fault(frame: &ExceptionFrame, address: u64) -> bool {
    exception_class(frame.error) == class::DATA_ABORT_LOWER && frame.fault_address == address
}

pub(crate) fn is_triggered(frame: &ExceptionFrame) -> bool {
    exception_class(frame.error) == class::TRIGGERED
}

pub(crate) fn is_system_call(frame: &ExceptionFrame) -> bool {
    exception_class(frame.error) == class::SVC64
        && frame.error & SYNDROME_ALIEN_AFTER_SYSTEM_CALL == 0
}

pub(crate) fn is_executed_system_call(frame: &ExceptionFrame) -> bool {
    exception_class(frame.error) == class::SVC64
        && frame.error & SYNDROME_ALIEN_AFTER_SYSTEM_CALL != 0
}

/// Checks what is the same for all threads.
pub(crate) fn check_environment(frame: &ExceptionFrame, utcb: u64) {
    assert_eq!((frame.tpidrro, frame.tpidr), (utcb, utcb));
    assert_eq!(frame.pstate & pstate::MODE_MASK, pstate::EL0T);
}

/// Runs `code` in a thread; the exception class, and where the program counter is from `code` on.
fn raise(code: extern "C" fn()) -> (u64, u64) {
    let _worker = spawn_paged(move || code());
    let frame = await_exception();
    (
        exception_class(frame.error),
        frame.pc - code as *const () as u64,
    )
}

macro_rules! code {
    ($name:ident, $($line:literal),+) => {
        #[unsafe(naked)]
        extern "C" fn $name() {
            naked_asm!($($line,)+ "ret")
        }
    };
}

code!(breakpoint, "brk #7");
code!(wait_for_interrupt, "nop", "wfi");
code!(hypervisor_call, "hvc #0");
code!(system_register, "mrs x0, sctlr_el1");
code!(hypervisor_register, "mrs x0, hcr_el2");

pub(crate) fn other_exceptions_are_told() {
    assert_eq!(raise(breakpoint), (class::BREAKPOINT, 0));
    assert_eq!(raise(wait_for_interrupt), (class::WFX, 4));
    for code in [hypervisor_call, hypervisor_register] {
        assert_eq!(raise(code), (class::UNKNOWN, 0));
    }
    let (kind, place) = raise(system_register);
    assert!([class::UNKNOWN, class::SYSTEM_REGISTER].contains(&kind) && place == 0);
}

pub(crate) fn flags_are_made_harmless() {
    // A mode above EL1 cannot be had: the thread takes an illegal-state exception.
    let _worker = spawn_paged(|| undefined(0));
    let mut frame = await_exception();
    frame.pc += INSTRUCTION;
    frame.pstate = 0x9;
    answer(0, &frame);
    let frame = await_exception();
    assert_eq!(exception_class(frame.error), class::ILLEGAL_STATE);
    assert_ne!(frame.pstate & pstate::MODE_MASK, 0x9);
}
