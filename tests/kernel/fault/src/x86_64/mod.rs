//! Faults of x86_64.

use core::arch::{asm, naked_asm};

use l4_test::abi::arch::x86_64::exception::{ExceptionFrame, rflags, trap};
use l4_test::fault::spawn_paged;

use crate::handler::{answer, await_exception};

/// Flags of a page fault (bit 0: the page is there).
pub(crate) const READ: u64 = 0;
pub(crate) const WRITE: u64 = 2;
pub(crate) const FETCH: u64 = 4;
pub(crate) const WRITE_WITHOUT_RIGHT: u64 = 3;
pub(crate) const FETCH_WITHOUT_RIGHT: u64 = 5;

/// Bytes of the undefined instruction, and of a system call.
pub(crate) const INSTRUCTION: u64 = 2;
pub(crate) const SYSTEM_CALL: u64 = 2;

/// Executes an undefined instruction with `value` in r12, and returns r12.
pub(crate) fn undefined(value: u64) -> u64 {
    undefined_here(value)
}

#[unsafe(naked)]
extern "C" fn undefined_here(value: u64) -> u64 {
    naked_asm!(
        "push r12",
        "mov r12, rdi",
        ".globl kernel_fault_undefined",
        "kernel_fault_undefined:",
        "ud2",
        "mov rax, r12",
        "pop r12",
        "ret",
    )
}

/// Where the thread goes on with its page fault: calls `handle(area, fault)`.
#[unsafe(naked)]
pub(crate) extern "C" fn trampoline() {
    naked_asm!("and rsp, -16", "call {handle}", "ud2", handle = sym crate::trampoline::handle)
}

/// The instruction pointer's place in the registers of a trampoline.
pub(crate) const INSTRUCTION_POINTER_WORD: u64 = 18;

#[unsafe(naked)]
pub(crate) extern "C" fn load_here(address: u64) -> u64 {
    naked_asm!(
        ".globl kernel_fault_load",
        "kernel_fault_load:",
        "mov rax, [rdi]",
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
    frame.rax = value;
    frame.rip += 3;
}

/// Address of the load in [`load_here`].
pub(crate) fn place_of_load() -> u64 {
    &raw const kernel_fault_load as u64
}

/// Goes on at `address`, where nothing good is.
pub(crate) fn jump(address: u64) {
    // SAFETY: the fetch faults, and the thread is destroyed.
    unsafe { asm!("jmp {}", in(reg) address, options(noreturn)) }
}

pub(crate) fn register(frame: &ExceptionFrame) -> u64 {
    frame.r12
}

pub(crate) fn set_register(frame: &mut ExceptionFrame, value: u64) {
    frame.r12 = value;
}

/// What [`set_own_register`] sets: no segment, as is not so at first.
pub(crate) const OWN_VALUE: u64 = 0x0;

/// Sets ES, which user mode writes without the kernel.
pub(crate) fn set_own_register(value: u64) {
    // SAFETY: nobody uses the register.
    unsafe { asm!("mov es, {:x}", in(reg) value) };
}

pub(crate) fn own_register() -> u64 {
    let value: u64;
    // SAFETY: reading the register has no effect.
    unsafe { asm!("mov {}, es", out(reg) value) };
    value
}

pub(crate) fn told_own_register(frame: &ExceptionFrame) -> u64 {
    frame.es.into()
}

/// Goes behind the undefined instruction.
pub(crate) fn skip(frame: &mut ExceptionFrame) {
    frame.rip += INSTRUCTION;
}

/// Makes the registers such that `iretq` refuses them.
pub(crate) fn make_refused(frame: &mut ExceptionFrame) {
    frame.ss = 0;
}

pub(crate) fn is_undefined(frame: &ExceptionFrame) -> bool {
    (frame.trap, frame.error) == (trap::UNDEFINED, 0)
}

pub(crate) fn is_page_fault(frame: &ExceptionFrame, address: u64) -> bool {
    // A read from user mode; the page is not there.
    (frame.trap, frame.error, frame.fault_address) == (trap::PAGE_FAULT, 4, address)
}

pub(crate) fn is_triggered(frame: &ExceptionFrame) -> bool {
    (frame.trap, frame.error) == (trap::TRIGGERED, 0)
}

pub(crate) fn is_system_call(frame: &ExceptionFrame) -> bool {
    (frame.trap, frame.error) == (trap::SYSTEM_CALL, 0)
}

pub(crate) fn is_executed_system_call(frame: &ExceptionFrame) -> bool {
    (frame.trap, frame.error) == (trap::SYSTEM_CALL, 1)
}

/// Checks what is the same for all threads.
pub(crate) fn check_environment(frame: &ExceptionFrame, utcb: u64) {
    assert_eq!((frame.cs, frame.ss), (0x2b, 0x23));
    assert_eq!(frame.gs_base, utcb + 0x1f8);
    assert_eq!(frame.fs_base, 0);
    assert_eq!([frame.ds, frame.es, frame.fs, frame.gs], [0x23, 0x23, 0, 0]);
    assert_eq!(frame.rflags & rflags::INITIAL, rflags::INITIAL);
}

/// Runs `code` in a thread; trap, error code, and where the instruction pointer is from `code` on.
fn raise(code: extern "C" fn()) -> (u64, u64, u64) {
    let _worker = spawn_paged(move || code());
    let frame = await_exception();
    (
        frame.trap,
        frame.error,
        frame.rip - code as *const () as u64,
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

code!(divide, "xor eax, eax", "xor edx, edx", "div eax");
code!(breakpoint, "int3");
code!(halt, "hlt");
code!(disable_interrupts, "cli");
code!(input, "in al, 0x60");
code!(control_register, "mov rax, cr0");
code!(software_interrupt, "int 0x80");
code!(model_specific_register, "rdmsr");

pub(crate) fn other_exceptions_are_told() {
    assert_eq!(raise(divide), (trap::DIVIDE, 0, 4));
    // Behind the instruction.
    assert_eq!(raise(breakpoint), (trap::BREAKPOINT, 0, 1));
    for code in [
        halt,
        disable_interrupts,
        input,
        control_register,
        model_specific_register,
    ] {
        assert_eq!(raise(code), (trap::GENERAL_PROTECTION, 0, 0));
    }
    let (number, _, place) = raise(software_interrupt);
    assert_eq!((number, place), (trap::GENERAL_PROTECTION, 0));
    // Not canonical.
    let _worker = spawn_paged(|| load_here(1 << 63));
    assert_eq!(await_exception().trap, trap::GENERAL_PROTECTION);
}

pub(crate) fn flags_are_made_harmless() {
    const CARRY: u64 = 1;
    let worker = spawn_paged(|| {
        undefined(0);
        let flags: u64;
        // SAFETY: reads the flags.
        unsafe { asm!("pushfq", "pop {}", out(reg) flags) };
        flags
    });
    let mut frame = await_exception();
    frame.rip += INSTRUCTION;
    frame.rflags = rflags::IO_PRIVILEGE | rflags::NESTED_TASK | CARRY;
    frame.cs = 0x08;
    answer(0, &frame);
    let flags = worker.join();
    let privileged = rflags::IO_PRIVILEGE | rflags::NESTED_TASK;
    assert_eq!(flags & privileged, 0, "{flags:#x}");
    assert_eq!(flags & rflags::INTERRUPT, rflags::INTERRUPT);
}
