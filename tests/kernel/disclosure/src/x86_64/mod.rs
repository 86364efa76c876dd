//! Code and registers of x86_64.

use core::arch::{asm, naked_asm};

use l4_test::abi::arch::x86_64::exception::{ExceptionFrame, FRAME_WORDS, rflags, trap};

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
    undefined: "ud2";
    system_call: "syscall", "ud2";
    // Reads and writes without a register or a flag.
    touch: "push qword ptr [rdi]", "pop qword ptr [rdi]", "ud2";
    use_fpu: "fnop", "ud2";
    // Until its own value is there.
    spin: "2:", "cmp [rdi], rbx", "jne 2b", "ud2";
}

/// The lowest address of the kernel's half.
const KERNEL: u64 = 0xffff_8000_0000_0000;

/// Flags that arithmetic sets.
const ARITHMETIC: u64 = 0x8d5;

pub(crate) fn is_kernel_address(value: u64) -> bool {
    value >= KERNEL
}

/// A number of its own in each register, and `start` as the next instruction.
pub(crate) fn fill(frame: &mut ExceptionFrame, start: u64) {
    let general = [
        &mut frame.rax,
        &mut frame.rbx,
        &mut frame.rcx,
        &mut frame.rdx,
        &mut frame.rsi,
        &mut frame.rdi,
        &mut frame.rbp,
        &mut frame.r8,
        &mut frame.r9,
        &mut frame.r10,
        &mut frame.r11,
        &mut frame.r12,
        &mut frame.r13,
        &mut frame.r14,
        &mut frame.r15,
    ];
    for (value, register) in (0x101..).zip(general) {
        *register = value;
    }
    frame.rip = start;
    frame.fault_address = 0;
}

pub(crate) fn set_argument(frame: &mut ExceptionFrame, value: u64) {
    frame.rdi = value;
}

/// What [`spin`] waits for.
pub(crate) fn spin_register(frame: &ExceptionFrame) -> u64 {
    frame.rbx
}

/// The registers without what [`spin`] changes.
pub(crate) fn without_spinning(frame: ExceptionFrame) -> ExceptionFrame {
    frame
}

pub(crate) fn set_system_call(
    frame: &mut ExceptionFrame,
    tag: u64,
    destination: u64,
    timeouts: u32,
) {
    (frame.rax, frame.rdx, frame.r8) = (tag, destination, u64::from(timeouts));
    // The instruction itself takes these two.
    frame.rcx = frame.rip + 2;
    frame.r11 = frame.rflags;
}

pub(crate) fn set_results(frame: &mut ExceptionFrame, tag: u64, label: u64) {
    (frame.rax, frame.rsi) = (tag, label);
}

pub(crate) fn results(frame: &ExceptionFrame) -> (u64, u64) {
    (frame.rax, frame.rsi)
}

pub(crate) fn is_undefined(frame: &ExceptionFrame) -> bool {
    (frame.trap, frame.error) == (trap::UNDEFINED, 0)
}

/// The words of a frame that stays in the kernel leave alone.
pub(crate) fn kept(frame: &ExceptionFrame) -> [u64; FRAME_WORDS] {
    let mut frame = *frame;
    (frame.trap, frame.error, frame.rip) = (0, 0, 0);
    frame.rflags &= !ARITHMETIC;
    frame.to_words()
}

/// Words of an exception message that are no register.
pub(crate) fn reserved_words() -> [usize; 0] {
    []
}

/// Checks the registers of a vCPU that has just entered.
pub(crate) fn check_entry(frame: &ExceptionFrame, entry: u64, stack: u64, state: u64) {
    let expected = ExceptionFrame {
        fs_base: frame.fs_base,
        gs_base: frame.gs_base,
        ds: frame.ds,
        es: frame.es,
        fs: frame.fs,
        gs: frame.gs,
        rdi: state,
        rip: entry,
        rsp: stack,
        rcx: entry,
        r11: rflags::INITIAL,
        rflags: rflags::INITIAL,
        cs: 0x2b,
        ss: 0x23,
        trap: trap::UNDEFINED,
        ..ExceptionFrame::default()
    };
    assert_eq!(*frame, expected);
}

/// What lets user mode write to a page, in tables of every level (SDM 4.5).
pub(crate) fn page_table_entry(address: u64) -> u64 {
    const PRESENT_WRITABLE_USER: u64 = 7;
    address | PRESENT_WRITABLE_USER
}

/// Fills all registers of the FPU.
pub(crate) fn fill_fpu() {
    // SAFETY: compiled code here uses no FPU registers.
    unsafe {
        asm!(
            "fninit",
            ".rept 8", "fldpi", ".endr",
            "movq xmm0, {0}",
            ".irp number, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            "movdqa xmm\\number, xmm0",
            ".endr",
            in(reg) 0x5a5a_5a5a_5a5a_5a5a_u64,
            options(nomem, nostack),
        );
    }
}

#[repr(C, align(16))]
struct FpuArea([u8; 512]);

/// Whether all registers of the FPU are as at first.
pub(crate) fn is_fpu_empty() -> bool {
    let mut area = FpuArea([0xff; 512]);
    // SAFETY: the area has the size and alignment that the instruction demands.
    unsafe { asm!("fxsave64 [{}]", in(reg) &raw mut area, options(nostack)) };
    // SDM 10.5.1: x87 registers of ten bytes in sixteen, then sixteen of SSE.
    let x87 = area.0[32..160]
        .chunks(16)
        .flat_map(|register| &register[..10]);
    x87.chain(&area.0[160..416]).all(|byte| *byte == 0)
}
