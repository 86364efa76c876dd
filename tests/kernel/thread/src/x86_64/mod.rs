//! Registers and operations of x86_64.

use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::arch::x86_64::exception::rflags;
use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::thread::SegmentBase;
use l4_test::abi::utcb::KERNEL_WORD_OFFSET;
use l4_test::message::word;
use l4_test::suite::PRIORITY;
use l4_test::sys::Object;
use l4_test::sys::object::Thread;
use l4_test::worker::comes;
use l4_test::{Message, Outcome, own, refused, spawn, spawn_at};

/// Where user mode finds the UTCB: its own address.
pub(crate) fn kernel_word(utcb: u64) -> u64 {
    utcb
}

/// What ex_regs says of a thread that has not run.
pub(crate) const FRESH_FLAGS: u64 = rflags::INITIAL;
/// Flags of ex_regs that do not exist.
pub(crate) const REFUSED_FLAGS: [u64; 3] = [1 << 24, 1 << 25, 1 << 31];
/// A function expects the stack pointer as a call leaves it.
pub(crate) const STACK_BIAS: u64 = 8;
/// General registers without the stack pointer, flags, segments, FS base, MXCSR and x87 control.
pub(crate) const DUMP_WORDS: usize = 26;

/// Pushes the registers, then waits for ever.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn dump_registers() {
    naked_asm!(
        "pushfq",
        "push rax",
        "push rbx",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push rbp",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov rax, cs",
        "push rax",
        "mov rax, ss",
        "push rax",
        "mov rax, ds",
        "push rax",
        "mov rax, es",
        "push rax",
        "mov rax, fs",
        "push rax",
        "mov rax, gs",
        "push rax",
        "push 0",
        "stmxcsr [rsp]",
        "push 0",
        "fnstcw [rsp]",
        "mov rax, gs:0",
        "push rax",
        "push rsp",
        // Wait for oneself, for ever.
        "2:",
        "xor eax, eax",
        "mov rdx, -2046",
        "xor r8d, r8d",
        "syscall",
        "jmp 2b",
    )
}

/// Checks what [`dump_registers`] has stored, the last push first.
pub(crate) fn check_first_registers(dump: [u64; DUMP_WORDS], stack: u64, utcb: u64) {
    let pushed: [u64; DUMP_WORDS] = core::array::from_fn(|index| dump[DUMP_WORDS - 1 - index]);
    assert_eq!(pushed[0], rflags::INITIAL, "flags");
    assert_eq!(pushed[1..16], [0; 15], "general registers");
    assert_eq!(pushed[16..22], [0x2b, 0x23, 0x23, 0x23, 0, 0], "segments");
    assert_eq!(pushed[22..24], [0x1f80, 0x37f], "MXCSR, x87 control word");
    assert_eq!(pushed[24], utcb, "UTCB");
    assert_eq!(pushed[25], stack - 25 * 8, "stack pointer");
}

const SET_DESCRIPTORS: u64 = 0x10;
const SET_BASE: u64 = 0x12;

pub(crate) fn operations_of_the_architecture() {
    segment_selectors_are_told();
    segment_bases_can_be_set();
    wrong_segment_bases_are_refused();
    a_16_bit_stack_is_refused();
    descriptors_end_with_their_thread();
}

fn request(words: &[u64]) -> Outcome {
    Message::new(label::THREAD)
        .words(words)
        .call(*own::thread())
        .outcome()
}

fn segment_selectors_are_told() {
    assert_eq!(request(&[0x13]), Ok(0));
    assert_eq!([word(0), word(1), word(2)], [0x23, 0x2b, 0x1b]);
    assert_eq!(request(&[0x10]), Ok(0));
    assert_eq!(word(0), 11);
}

/// Both, and another thread with others runs meanwhile.
fn segment_bases_can_be_set() {
    static WORDS: [u64; 3] = [0x1234_5678, 0x8765_4321, 0x5678_1234];
    static SIGN: AtomicU64 = AtomicU64::new(0);
    let [for_fs, for_gs, for_others] = WORDS
        .each_ref()
        .map(|word| core::ptr::from_ref(word) as u64);
    let worker = spawn_at(PRIORITY - 1, move || {
        let set = Thread::SELF.set_fs_base(for_fs);
        // The library finds the UTCB by the GS base, so that is put back in the same breath.
        let (utcb, own): (u64, u64);
        // SAFETY: reads the UTCB's address, which is in the UTCB, where the GS base leads.
        unsafe { asm!("mov {}, gs:0", out(reg) utcb) };
        let own_base = utcb + KERNEL_WORD_OFFSET as u64;
        let store = |index: u64, value: u64| l4_test::memory::store(utcb + 8 * index, value);
        store(0, SET_BASE | SegmentBase::Gs.word() << 16);
        store(1, for_gs);
        let tag = (label::THREAD as u64) << 16 | 2;
        let mut values = [0_u64; 4];
        // SAFETY: system calls to the own thread, which change the base and set it back; the bases
        // lead to words.
        unsafe {
            asm!(
                "syscall",
                "mov rcx, fs:0",
                "mov [r14], rcx",
                "mov rcx, gs:0",
                "mov [r14 + 8], rcx",
                // Another thread, with other bases, answers the sign.
                "mov qword ptr [r13], 1",
                "2:",
                "pause",
                "cmp qword ptr [r13], 2",
                "jne 2b",
                "mov rcx, fs:0",
                "mov [r14 + 16], rcx",
                "mov rcx, gs:0",
                "mov [r14 + 24], rcx",
                "mov [r12 + 8], r9",
                "mov qword ptr [r12], {opcode}",
                "mov rax, r10",
                "mov rdx, {destination}",
                "xor esi, esi",
                "xor r8d, r8d",
                "syscall",
                "mov rcx, gs:0",
                opcode = const SET_BASE | SegmentBase::Gs.word() << 16,
                destination = const (!0x7ffu64 | 3) as i64,
                inout("rax") tag => _,
                inout("rdx") !0x7ffu64 | 3 => _,
                inout("rsi") 0u64 => _,
                inout("r8") 0u64 => _,
                in("r9") own_base,
                in("r10") tag,
                in("r12") utcb,
                in("r13") SIGN.as_ptr(),
                in("r14") values.as_mut_ptr(),
                out("rcx") own,
                out("rdi") _,
                out("r11") _,
                out("r15") _,
            );
        }
        (set, values, own == utcb)
    });
    assert!(comes(|| SIGN.load(SeqCst) == 1));
    assert_eq!(Thread::SELF.set_fs_base(for_others), Ok(()));
    SIGN.store(2, SeqCst);
    let [fs, gs, _] = WORDS;
    assert_eq!(worker.join(), (Ok(()), [fs, gs, fs, gs], true));
}

/// Whether there is a segment for this selector.
fn has_segment(selector: u64) -> bool {
    let valid: u8;
    // SAFETY: reads a descriptor, or nothing.
    unsafe {
        asm!("verr {:x}", "setz {}", in(reg) selector, out(reg_byte) valid, options(nostack));
    }
    valid != 0
}

fn descriptors_end_with_their_thread() {
    const FLAT_DATA: u64 = 0x00cf_f300_0000_ffff;
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let _worker = spawn(|| {
        let current = l4_test::worker::current();
        let set = Message::new(label::THREAD).words(&[SET_DESCRIPTORS, 0, FLAT_DATA]);
        let selector = set.call(*current).outcome().unwrap() as u64;
        SEEN.store(selector | u64::from(has_segment(selector)) << 32, SeqCst);
        let _ = own::task().delete_object(current.selector());
    });
    let seen = SEEN.load(SeqCst);
    assert_eq!((seen >> 32, has_segment(seen & 0xffff)), (1, false));
}

/// A return to it would leave bits of the kernel's stack pointer in user mode's.
fn a_16_bit_stack_is_refused() {
    const STACK: u64 = 0x008f_f300_0000_ffff;
    assert_eq!(
        request(&[SET_DESCRIPTORS, 0, STACK]),
        refused(ResultCode::EINVAL)
    );
}

fn wrong_segment_bases_are_refused() {
    let invalid = refused(ResultCode::EINVAL);
    assert_eq!(request(&[SET_BASE, 0x0000_8000_0000_0000]), invalid);
    assert_eq!(request(&[SET_BASE, 0xffff_7fff_ffff_ffff]), invalid);
    assert_eq!(request(&[SET_BASE | 2 << 16, 0]), invalid);
    assert_eq!(request(&[SET_BASE]), refused(ResultCode::EMSGTOOSHORT));
}
