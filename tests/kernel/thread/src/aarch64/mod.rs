//! Registers and operations of aarch64.

use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::suite::PRIORITY;
use l4_test::worker::comes;
use l4_test::{Message, Outcome, refused, spawn_at};

/// Not used: a register has the UTCB's address.
pub(crate) fn kernel_word(_: u64) -> u64 {
    0
}

/// What ex_regs says of a thread that has not run: EL0.
pub(crate) const FRESH_FLAGS: u64 = 0x100_0000;
/// Flags of ex_regs that do not exist.
pub(crate) const REFUSED_FLAGS: [u64; 3] = [3 << 24, 1 << 26, 1 << 31];
/// A function expects an aligned stack pointer.
pub(crate) const STACK_BIAS: u64 = 0;
/// x0 to x30, the stack pointer, both thread pointers, FPCR and FPSR.
pub(crate) const DUMP_WORDS: usize = 36;

/// Stores the registers below the stack pointer, then waits for ever.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn dump_registers() {
    naked_asm!(
        "sub sp, sp, #288",
        "stp x0, x1, [sp]",
        "stp x2, x3, [sp, #16]",
        "stp x4, x5, [sp, #32]",
        "stp x6, x7, [sp, #48]",
        "stp x8, x9, [sp, #64]",
        "stp x10, x11, [sp, #80]",
        "stp x12, x13, [sp, #96]",
        "stp x14, x15, [sp, #112]",
        "stp x16, x17, [sp, #128]",
        "stp x18, x19, [sp, #144]",
        "stp x20, x21, [sp, #160]",
        "stp x22, x23, [sp, #176]",
        "stp x24, x25, [sp, #192]",
        "stp x26, x27, [sp, #208]",
        "stp x28, x29, [sp, #224]",
        "mov x0, sp",
        "stp x30, x0, [sp, #240]",
        "mrs x0, tpidr_el0",
        "mrs x1, tpidrro_el0",
        "stp x0, x1, [sp, #256]",
        // FPCR and FPSR, which the assembler does not know without floating point.
        "mrs x0, s3_3_c4_c4_0",
        "mrs x1, s3_3_c4_c4_1",
        "stp x0, x1, [sp, #272]",
        // Wait for oneself, for ever.
        "2:",
        "mov x0, xzr",
        "mov x2, #-2046",
        "mov x3, xzr",
        "svc #0",
        "b 2b",
    )
}

/// Checks what [`dump_registers`] has stored.
pub(crate) fn check_first_registers(dump: [u64; DUMP_WORDS], stack: u64, utcb: u64) {
    // What x1 holds is left open.
    assert_eq!(dump[0], 0, "x0");
    assert_eq!(dump[2..31], [0; 29], "x2 to x30");
    assert_eq!(dump[31], stack - 288, "stack pointer");
    assert_eq!(dump[32..34], [utcb, utcb], "thread pointers");
    assert_eq!(dump[34..36], [0, 0], "FPCR, FPSR");
}

const SET_TPIDRRO: u64 = 0x10;

pub(crate) fn operations_of_the_architecture() {
    static SIGN: AtomicU64 = AtomicU64::new(0);
    let worker = spawn_at(PRIORITY - 1, || {
        // The library finds the UTCB by this register, so it is put back in the same breath.
        let values: [u64; 2];
        let own: u64;
        let utcb: u64;
        // SAFETY: reads a register.
        unsafe { asm!("mrs {}, tpidrro_el0", out(reg) utcb) };
        let store = |index: u64, value: u64| l4_test::memory::store(utcb + 8 * index, value);
        store(0, SET_TPIDRRO);
        store(1, 0x1234);
        let tag = (label::THREAD as u64) << 16 | 2;
        // SAFETY: system calls to the own thread, which change the register and set it back.
        unsafe {
            let first;
            let later;
            asm!(
                "svc #0",
                "mrs {first}, tpidrro_el0",
                // Another thread, with another value, answers the sign.
                "mov x1, #1",
                "str x1, [{sign}]",
                "2:",
                "ldr x1, [{sign}]",
                "cmp x1, #2",
                "b.ne 2b",
                "mrs {later}, tpidrro_el0",
                "str {utcb}, [{utcb}, #8]",
                "str {opcode}, [{utcb}]",
                "mov x0, {tag}",
                "mov x2, {destination}",
                "mov x3, xzr",
                "svc #0",
                "mrs {own}, tpidrro_el0",
                first = out(reg) first,
                later = out(reg) later,
                own = out(reg) own,
                sign = in(reg) SIGN.as_ptr(),
                utcb = in(reg) utcb,
                opcode = in(reg) SET_TPIDRRO,
                tag = in(reg) tag,
                destination = in(reg) !0x7ffu64 | 3,
                inout("x0") tag => _,
                out("x1") _,
                inout("x2") !0x7ffu64 | 3 => _,
                inout("x3") 0u64 => _,
                out("x4") _,
            );
            values = [first, later];
        }
        (values, own == utcb)
    });
    assert!(comes(|| SIGN.load(SeqCst) == 1));
    SIGN.store(2, SeqCst);
    assert_eq!(worker.join(), ([0x1234; 2], true));

    let short: Outcome = Message::new(label::THREAD)
        .words(&[SET_TPIDRRO])
        .call(l4_test::message::nobody())
        .outcome();
    assert_eq!(short, refused(ResultCode::EINVAL));
}
