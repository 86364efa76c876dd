//! Code for user mode on x86_64, and what its registers look like.

use core::arch::{asm, naked_asm};

use l4_test::abi::arch::x86_64::exception::{ExceptionFrame, rflags, trap};
use l4_test::memory::store;
use l4_test::sys::object::Thread;
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
    system_call: "syscall", "ud2";
    // Gives a sign and waits for another one.
    system_call_later: "mov qword ptr [rdi], 1", "2:", "pause", "cmp qword ptr [rdi], 2", "jne 2b",
        "syscall", "ud2";
    undefined: "ud2";
    divide: "xor eax, eax", "xor edx, edx", "div eax";
    breakpoint: "int3";
    halt: "hlt";
    software_interrupt: "int 0x80";
    input: "in al, 0x60";
    read: "mov rax, [rdi]", "ud2";
    write: "mov [rdi], rax", "ud2";
    jump: "jmp rdi";
    use_fpu: "fninit", "ud2";
    // What FS and GS base point to, before it has given a sign and after another one.
    thread_registers: "mov rax, fs:[0]", "mov rbx, gs:[0]", "mov qword ptr [rdi], 1", "2:", "pause",
        "cmp qword ptr [rdi], 2", "jne 2b", "mov rcx, fs:[0]", "mov rdx, gs:[0]", "ud2";
    // An increment in 32-bit code, else nothing but a prefix.
    increment_in_32_bits: ".byte 0x40", "ud2";
    // Gives a sign and waits.
    spin: "mov qword ptr [rdi], 1", "2:", "pause", "jmp 2b";
    // Changes every register that it can.
    count: "inc rax", "inc rbx", "inc rcx", "inc rdx", "inc rsi", "inc rdi", "inc rbp", "inc r8",
        "inc r9", "inc r10", "inc r11", "inc r12", "inc r13", "inc r14", "inc r15", "ud2";
}

/// Bytes of [`undefined`].
pub(crate) const INSTRUCTION: u64 = 2;

pub(crate) fn registers(ip: u64, sp: u64, argument: u64) -> ExceptionFrame {
    ExceptionFrame {
        rip: ip,
        rsp: sp,
        rdi: argument,
        cs: 0x2b,
        ss: 0x23,
        rflags: 0x202,
        ..ExceptionFrame::default()
    }
}

pub(crate) fn set_instruction_pointer(frame: &mut ExceptionFrame, ip: u64) {
    frame.rip = ip;
}

/// Fills all general registers with numbers, the first is `start`.
pub(crate) fn fill(frame: &mut ExceptionFrame, start: u64) {
    for (value, register) in (start..).zip(general(frame)) {
        *register = value;
    }
}

/// Whether they hold such numbers.
pub(crate) fn are_filled(frame: &ExceptionFrame, start: u64) -> bool {
    let mut frame = *frame;
    (start..)
        .zip(general(&mut frame))
        .all(|(value, register)| *register == value)
}

fn general(frame: &mut ExceptionFrame) -> [&mut u64; 15] {
    [
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
    ]
}

pub(crate) fn is_undefined(frame: &ExceptionFrame) -> bool {
    (frame.trap, frame.error) == (trap::UNDEFINED, 0)
}

pub(crate) fn is_system_call(frame: &ExceptionFrame) -> bool {
    (frame.trap, frame.error, frame.cs, frame.fault_address) == (trap::SYSTEM_CALL, 0, 0xab, 0)
}

/// Whether it is one that was made with the registers `before`.
pub(crate) fn is_system_call_with(frame: &ExceptionFrame, before: &ExceptionFrame) -> bool {
    let mut expected = ExceptionFrame {
        rcx: frame.rip + 2,
        r11: frame.rflags,
        ..*before
    };
    let is_where_it_was = frame.rsp == before.rsp && frame.ss == before.ss;
    is_system_call(frame)
        && is_where_it_was
        && general(&mut expected) == general(&mut frame.clone())
}

pub(crate) fn set_request(frame: &mut ExceptionFrame, tag: u64, destination: u64) {
    (frame.rax, frame.rdx) = (tag, destination);
}

pub(crate) fn set_argument(frame: &mut ExceptionFrame, argument: u64) {
    frame.rdi = argument;
}

pub(crate) fn is_message(frame: &ExceptionFrame) -> bool {
    (frame.trap, frame.error) == (trap::IPC, 0)
}

pub(crate) fn is_no_fpu(frame: &ExceptionFrame) -> bool {
    (frame.trap, frame.error) == (trap::NO_FPU, 0)
}

/// A page fault by reading, writing, executing what is not there.
pub(crate) fn is_page_fault(frame: &ExceptionFrame, access: Access, address: u64) -> bool {
    let error = match access {
        Access::Read => 4,
        Access::Write => 6,
        Access::Execute => 0x14,
    };
    (frame.trap, frame.error, frame.fault_address) == (trap::PAGE_FAULT, error, address)
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
    let cases: [(Code, u64, u64, u64); 5] = [
        (divide, trap::DIVIDE, 0, 4),
        // Behind the instruction.
        (breakpoint, trap::BREAKPOINT, 0, 1),
        (halt, trap::GENERAL_PROTECTION, 0, 0),
        (software_interrupt, trap::GENERAL_PROTECTION, 0x402, 0),
        (input, trap::GENERAL_PROTECTION, 0, 0),
    ];
    for (code, number, error, offset) in cases {
        let entry = guest.run(code, 0);
        let frame = entry.registers;
        // QEMU's emulator counts the table's entries twice as large.
        let told = if frame.error == 0x802 {
            0x402
        } else {
            frame.error
        };
        assert_eq!((frame.trap, told), (number, error));
        assert_eq!(frame.rip, code as *const () as u64 + offset);
        entry.check_from_user();
    }
}

/// Where entries to kernel mode begin.
#[unsafe(naked)]
pub(crate) extern "C" fn entry() {
    naked_asm!("and rsp, -16", "call {entered}", "ud2", entered = sym crate::kernel_mode::entered)
}

#[unsafe(naked)]
pub(crate) extern "C" fn undefined_and_return() {
    naked_asm!("ud2", "ret")
}

/// Whether `code` leaves the registers as they were that a function keeps.
pub(crate) fn keeps_registers(code: Code) -> bool {
    let mut kept = [11_u64, 12, 13, 14];
    let [a, b, c, d] = &mut kept;
    // SAFETY: the code does no more than it says.
    unsafe {
        asm!("call {}", in(reg) code as *const () as u64, inout("rcx") *a, inout("rdx") *b,
            inout("r12") *c, inout("r15") *d);
    }
    kept == [11, 12, 13, 14]
}

/// Checks what the kernel tells a new vCPU about its kernel mode.
pub(crate) fn check_host_state(address: u64) {
    use l4_test::memory::load;
    use l4_test::sys::Utcb;
    let utcb = Utcb::current().address() as u64;
    assert_eq!(
        [0x178, 0x180, 0x188].map(|offset| load(address + offset)),
        [0, utcb + 0x1f8, 0]
    );
    assert_eq!(load(address + 0x190), 0x001b_002b_0023);
}

/// Uses the FPU in the calling thread.
pub(crate) fn use_fpu_here() {
    // SAFETY: compiled code here uses no FPU registers.
    unsafe { asm!("fninit", options(nomem, nostack)) };
}

/// What [`read`] has read.
pub(crate) fn read_value(frame: &ExceptionFrame) -> u64 {
    frame.rax
}

/// What FS bases point to: that of the vCPU's kernel mode, the one that its state gets later, and
/// that of another thread.
static OWN: [u64; 3] = [0x70, 0x73, 0x74];
/// Where the state has the FS base of kernel mode.
const HOST_FS_BASE: u64 = 0x178;

/// Gives the calling thread, which is no vCPU, others.
pub(crate) fn set_other_thread_registers() {
    Thread::SELF.set_fs_base(&raw const OWN[2] as u64).unwrap();
}

/// Gives the calling thread an FS base, and `page` of a guest something for others to point to.
pub(crate) fn prepare_thread_registers(page: u64) {
    store(page + 8, 0x71);
    store(page + 16, 0x72);
    Thread::SELF.set_fs_base(&raw const OWN[0] as u64).unwrap();
}

pub(crate) fn set_thread_registers(frame: &mut ExceptionFrame) {
    (frame.fs_base, frame.gs_base) = (DATA + 8, DATA + 16);
}

/// Checks what [`thread_registers`] has found; the bases in the state are for the resume alone.
pub(crate) fn check_thread_registers(frame: &ExceptionFrame) {
    assert!(is_undefined(frame), "{frame:?}");
    let found = [frame.rax, frame.rbx, frame.rcx, frame.rdx];
    assert_eq!(found, [0x71, 0x72, 0x71, 0x72]);
    assert_eq!((frame.fs_base, frame.gs_base), (DATA + 8, DATA + 16));
}

fn word_at_fs_base() -> u64 {
    let value;
    // SAFETY: the base was set to the address of a word.
    unsafe { asm!("mov {}, fs:0", out(reg) value, options(nostack, readonly)) };
    value
}

/// Those of the vCPU's kernel mode; GS base leads to its UTCB.
pub(crate) fn check_own_thread_registers(utcb: u64) {
    let word_at_gs_base: u64;
    // SAFETY: reads the word by which all threads find their UTCB.
    unsafe { asm!("mov {}, gs:0", out(reg) word_at_gs_base, options(nostack, readonly)) };
    assert_eq!((word_at_fs_base(), word_at_gs_base), (0x70, utcb));
}

/// An entry gives kernel mode what the state says.
pub(crate) fn check_changed_host_state(vcpu: Vcpu, guest: &Guest) {
    guest.prepare(vcpu, undefined, 0);
    store(vcpu.address() + HOST_FS_BASE, &raw const OWN[1] as u64);
    vcpu.run(&[]).unwrap();
    assert_eq!(word_at_fs_base(), 0x73);
}

pub(crate) fn registers_that_a_resume_must_not_choose_are_harmless() {
    const NON_CANONICAL: u64 = 0x0000_8000_0000_0000;
    const KERNEL: u64 = 0xffff_ffff_8040_0000;
    let start = increment_in_32_bits as *const () as u64;

    for frame in resume_with(increment_in_32_bits, |frame| frame.cs = 0x1b) {
        let place = (frame.trap, frame.cs, frame.rip);
        assert_eq!(place, (trap::UNDEFINED, 0x1b, start + 1));
        assert_eq!(frame.rax, 1);
    }
    for frame in resume_with(increment_in_32_bits, |frame| frame.cs = 0x08) {
        let place = (frame.trap, frame.cs, frame.rip);
        assert_eq!(place, (trap::UNDEFINED, 0x2b, start));
    }
    let privileged = |frame: &mut ExceptionFrame| {
        frame.rflags = rflags::IO_PRIVILEGE | rflags::NESTED_TASK;
    };
    for frame in resume_with(undefined, privileged) {
        assert!(is_undefined(&frame), "{frame:?}");
        let flags = frame.rflags & (rflags::IO_PRIVILEGE | rflags::NESTED_TASK | rflags::INTERRUPT);
        assert_eq!(flags, rflags::INTERRUPT);
    }
    // The CPU refuses the return to user mode, and tells what it refuses.
    let stacks: [(Change, u64); 3] = [
        (|frame| frame.ss = 0, 0),
        (|frame| frame.ss = 0x10, 0x10),
        (|frame| frame.ss = 0xffff, 0xfffc),
    ];
    for (change, error) in stacks {
        for frame in resume_with(undefined, change) {
            let place = (frame.trap, frame.error, frame.rip);
            let expected = (
                trap::GENERAL_PROTECTION,
                error,
                undefined as *const () as u64,
            );
            assert_eq!(place, expected);
        }
    }
    for frame in resume_with(undefined, |frame| frame.rip = NON_CANONICAL) {
        let place = (frame.trap, frame.error, frame.rip);
        assert_eq!(place, (trap::GENERAL_PROTECTION, 0, NON_CANONICAL));
    }
    for frame in resume_with(undefined, |frame| frame.rip = KERNEL) {
        assert!(is_page_fault_at(&frame, KERNEL), "{frame:?}");
        assert_eq!(frame.rip, KERNEL);
    }
    let bases = |frame: &mut ExceptionFrame| {
        (frame.fs_base, frame.gs_base) = (NON_CANONICAL, NON_CANONICAL);
    };
    for frame in resume_with(undefined, bases) {
        assert!(is_undefined(&frame), "{frame:?}");
    }
}

/// Whether it is a fetch from where user mode has nothing; whether there is something for the
/// kernel it may be told.
fn is_page_fault_at(frame: &ExceptionFrame, address: u64) -> bool {
    const USER_FETCH: u64 = 0x14;
    (frame.trap, frame.error & !1, frame.fault_address) == (trap::PAGE_FAULT, USER_FETCH, address)
}
