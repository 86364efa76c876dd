//! Code for user mode on aarch64, and what its registers look like.

use core::arch::{asm, naked_asm};

use l4_test::abi::arch::aarch64::exception::{ExceptionFrame, class, exception_class, pstate};
use l4_test::memory::{PAGE_ORDER, allocate, store};
use l4_test::spawn_at;
use l4_test::suite::PRIORITY;
use l4_test::sys::Utcb;
use l4_test::sys::vcpu::Vcpu;

use crate::guest::{Change, Code, DATA, Guest, resume_with};

macro_rules! code {
    ($($name:ident: $($line:literal),+;)*) => {
        $(
            #[unsafe(naked)]
            pub(crate) extern "C" fn $name() {
                naked_asm!($($line),+)
            }
        )*
    };
}

code! {
    system_call: "svc #0", "udf #0";
    // Gives a sign and waits for another one.
    system_call_later: "mov x1, #1", "str x1, [x0]", "2:", "ldr x1, [x0]", "cmp x1, #2", "b.ne 2b",
        "svc #0", "udf #0";
    undefined: "udf #0";
    breakpoint: "brk #0";
    halt: "wfi";
    read: "ldr x1, [x0]", "udf #0";
    write: "str x1, [x0]", "udf #0";
    jump: "br x0";
    use_fpu: ".arch_extension fp", "fmov d0, xzr", "udf #0", ".arch_extension nofp";
    // The thread pointers, the read-only one before it has given a sign and after another one.
    thread_registers: "mrs x1, tpidrro_el0", "mrs x3, tpidr_el0", "mov x2, #1", "str x2, [x0]", "2:",
        "ldr x2, [x0]", "cmp x2, #2", "b.ne 2b", "mrs x2, tpidrro_el0", "mov x4, #0x75",
        "msr tpidr_el0, x4", "udf #0";
    // Gives a sign and waits.
    spin: "mov x1, #1", "str x1, [x0]", "2:", "b 2b";
    // Changes every register.
    count: "add x0, x0, #1", "add x1, x1, #1", "add x2, x2, #1", "add x3, x3, #1",
        "add x4, x4, #1", "add x5, x5, #1", "add x6, x6, #1", "add x7, x7, #1",
        "add x8, x8, #1", "add x9, x9, #1", "add x10, x10, #1", "add x11, x11, #1",
        "add x12, x12, #1", "add x13, x13, #1", "add x14, x14, #1", "add x15, x15, #1",
        "add x16, x16, #1", "add x17, x17, #1", "add x18, x18, #1", "add x19, x19, #1",
        "add x20, x20, #1", "add x21, x21, #1", "add x22, x22, #1", "add x23, x23, #1",
        "add x24, x24, #1", "add x25, x25, #1", "add x26, x26, #1", "add x27, x27, #1",
        "add x28, x28, #1", "add x29, x29, #1", "add x30, x30, #1", "udf #0";
}

/// Bytes of [`undefined`].
pub(crate) const INSTRUCTION: u64 = 4;

pub(crate) fn registers(ip: u64, sp: u64, argument: u64) -> ExceptionFrame {
    let mut frame = ExceptionFrame {
        pc: ip,
        sp,
        ..ExceptionFrame::default()
    };
    frame.x[0] = argument;
    frame
}

pub(crate) fn set_instruction_pointer(frame: &mut ExceptionFrame, ip: u64) {
    frame.pc = ip;
}

/// Fills all general registers with numbers, the first is `start`.
pub(crate) fn fill(frame: &mut ExceptionFrame, start: u64) {
    for (value, register) in (start..).zip(&mut frame.x) {
        *register = value;
    }
}

/// Whether they hold such numbers.
pub(crate) fn are_filled(frame: &ExceptionFrame, start: u64) -> bool {
    (start..)
        .zip(&frame.x)
        .all(|(value, register)| *register == value)
}

fn class_of(frame: &ExceptionFrame) -> u64 {
    exception_class(frame.error)
}

pub(crate) fn is_undefined(frame: &ExceptionFrame) -> bool {
    class_of(frame) == class::UNKNOWN
}

pub(crate) fn is_system_call(frame: &ExceptionFrame) -> bool {
    class_of(frame) == class::SVC64
}

/// Whether it is one that was made with the registers `before`.
pub(crate) fn is_system_call_with(frame: &ExceptionFrame, before: &ExceptionFrame) -> bool {
    is_system_call(frame) && frame.sp == before.sp && frame.x == before.x
}

pub(crate) fn set_request(frame: &mut ExceptionFrame, tag: u64, destination: u64) {
    (frame.x[0], frame.x[2]) = (tag, destination);
}

pub(crate) fn set_argument(frame: &mut ExceptionFrame, argument: u64) {
    frame.x[0] = argument;
}

pub(crate) fn is_message(frame: &ExceptionFrame) -> bool {
    class_of(frame) == class::IPC
}

pub(crate) fn is_no_fpu(frame: &ExceptionFrame) -> bool {
    class_of(frame) == class::NO_FPU
}

/// A page fault by reading, writing, executing what is not there.
pub(crate) fn is_page_fault(frame: &ExceptionFrame, access: Access, address: u64) -> bool {
    let writes = frame.error & 1 << 6 != 0;
    let right_kind = match access {
        Access::Read => class_of(frame) == class::DATA_ABORT_LOWER && !writes,
        Access::Write => class_of(frame) == class::DATA_ABORT_LOWER && writes,
        Access::Execute => class_of(frame) == class::INSTRUCTION_ABORT_LOWER,
    };
    right_kind && frame.fault_address == address
}

/// What a piece of code does to memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    Read,
    Write,
    Execute,
}

pub(crate) fn other_exceptions_enter() {
    let guest = Guest::new();
    let cases: [(Code, u64); 2] = [(breakpoint, class::BREAKPOINT), (halt, class::WFX)];
    for (code, number) in cases {
        let entry = guest.run(code, 0);
        assert_eq!(class_of(&entry.registers), number);
        assert_eq!(entry.registers.pc, code as *const () as u64);
        entry.check_from_user();
    }
}

/// Where entries to kernel mode begin.
#[unsafe(naked)]
pub(crate) extern "C" fn entry() {
    naked_asm!("bl {entered}", "udf #0", entered = sym crate::kernel_mode::entered)
}

#[unsafe(naked)]
pub(crate) extern "C" fn undefined_and_return() {
    naked_asm!("udf #0", "ret")
}

/// Whether `code` leaves the registers as they were that it does not use.
pub(crate) fn keeps_registers(code: Code) -> bool {
    let mut kept = [11_u64, 12, 13, 14];
    let [a, b, c, d] = &mut kept;
    // SAFETY: the code does no more than it says.
    unsafe {
        asm!("blr {}", in(reg) code as *const () as u64, inout("x1") *a, inout("x17") *b,
            inout("x20") *c, inout("x28") *d, lateout("x30") _);
    }
    kept == [11, 12, 13, 14]
}

/// Checks what the kernel tells a new vCPU about its kernel mode.
pub(crate) fn check_host_state(address: u64) {
    let utcb = l4_test::sys::Utcb::current().address() as u64;
    assert_eq!(l4_test::memory::load(address + 0x1d0), utcb);
}

/// Uses the FPU in the calling thread.
#[unsafe(naked)]
pub(crate) extern "C" fn use_fpu_here() {
    naked_asm!(
        ".arch_extension fp",
        "fmov d0, xzr",
        "ret",
        ".arch_extension nofp"
    )
}

/// What [`read`] has read.
pub(crate) fn read_value(frame: &ExceptionFrame) -> u64 {
    frame.x[1]
}

/// Where the state has the read-only thread pointer of kernel mode.
const HOST_TPIDRRO: u64 = 0x1d0;

/// All threads have others: the addresses of their UTCBs.
pub(crate) fn set_other_thread_registers() {}

pub(crate) fn prepare_thread_registers(_: u64) {}

/// The state has room for the other thread pointer, but that is one for both modes.
pub(crate) fn set_thread_registers(frame: &mut ExceptionFrame) {
    (frame.tpidrro, frame.tpidr) = (0x71, 0x72);
    // SAFETY: the program does not use the register.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) 0x74_u64) };
}

/// Checks what [`thread_registers`] has found; the value in the state is for the resume alone.
pub(crate) fn check_thread_registers(frame: &ExceptionFrame) {
    assert!(is_undefined(frame), "{frame:?}");
    assert_eq!(frame.x[1..4], [0x71, 0x71, 0x74]);
    assert_eq!((frame.tpidrro, frame.tpidr), (0x71, 0x72));
}

/// By which threads find their UTCB.
fn read_only_thread_pointer() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, tpidrro_el0", out(reg) value) };
    value
}

/// Those of the vCPU's kernel mode; the other one is what user mode has written.
pub(crate) fn check_own_thread_registers(utcb: u64) {
    let thread_pointer: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) thread_pointer) };
    assert_eq!((read_only_thread_pointer(), thread_pointer), (utcb, 0x75));
}

/// An entry gives kernel mode what the state says.
pub(crate) fn check_changed_host_state(vcpu: Vcpu, guest: &Guest) {
    guest.prepare(vcpu, undefined, 0);
    let utcb = Utcb::current().address() as u64;
    let other = allocate(PAGE_ORDER);
    store(vcpu.address() + HOST_TPIDRRO, other);
    vcpu.run(&[]).unwrap();
    let changed = read_only_thread_pointer();
    // The same once more: the request is still in the UTCB, which the program cannot find now.
    store(vcpu.address() + HOST_TPIDRRO, utcb);
    vcpu.run(&[]).unwrap();
    assert_eq!((changed, read_only_thread_pointer()), (other, utcb));
}

pub(crate) fn registers_that_a_resume_must_not_choose_are_harmless() {
    const EL2: u64 = 9;
    const EL3: u64 = 13;
    let modes: [Change; 4] = [
        |frame| frame.pstate = pstate::EL1H,
        |frame| frame.pstate = EL2,
        |frame| frame.pstate = EL3,
        |frame| frame.pstate = pstate::ILLEGAL,
    ];
    for change in modes {
        for frame in resume_with(undefined, change) {
            assert_eq!(class_of(&frame), class::ILLEGAL_STATE, "{frame:x?}");
            assert_eq!(frame.pc, undefined as *const () as u64);
        }
    }
    // Masked interrupts come, or this thread would not go on.
    let guest = Guest::new();
    let page = guest.page;
    let _worker = spawn_at(PRIORITY - 1, move || {
        let vcpu = guest.vcpu(spin, DATA);
        let mut registers = vcpu.registers();
        registers.pstate |= pstate::IRQ_MASK | pstate::FIQ_MASK;
        vcpu.set_registers(registers);
        vcpu.run(&[]).unwrap();
    });
    Guest::await_sign(page);
}
