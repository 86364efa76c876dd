//! What guests do. They have their code at the addresses where the program has it.

use core::arch::{global_asm, naked_asm};

/// A piece of code for a guest: it gets its argument in x0.
pub(crate) type Code = extern "C" fn();

macro_rules! code {
    ($($(#[$doc:meta])* $name:ident: $($line:literal),+;)*) => {
        $(
            $(#[$doc])*
            #[unsafe(naked)]
            pub(crate) extern "C" fn $name() {
                naked_asm!($($line),+)
            }
        )*
    };
}

code! {
    call: "add x0, x0, #1", "hvc #3", "hvc #4";
    /// `smc #5`.
    monitor: ".inst 0xd40000a3";
    wait: "wfi", "hvc #0";
    read: "ldr x1, [x0]", "hvc #0";
    write: "str x1, [x0]", "hvc #0";
    /// Gives a sign and stays.
    spin: "mov x1, #1", "str x1, [x0]", "2:", "add x2, x2, #1", "b 2b";
    /// Gives a sign, and exits when all between x1 and x2 have.
    meet: "mov x3, #1", "str x3, [x0]", "2:", "mov x4, x1", "3:", "ldr x3, [x4], #8", "cbz x3, 2b",
        "cmp x4, x2", "b.ne 3b", "hvc #3";
    /// Each of these is an exit; the instruction behind is 4 bytes on.
    traps: "mrs x1, mdscr_el1", "mrs x1, pmcr_el0", "mrs x1, actlr_el1", "mrs x1, cntp_ctl_el0",
        "msr oslar_el1, x1", "mrs x1, dbgbvr0_el1", "hvc #0";
    /// With vectors at x0.
    hypervisor_register: "msr vbar_el1, x0", "isb", "mrs x1, vttbr_el2", "hvc #0";
    identity: "mrs x1, mpidr_el1", "mrs x2, midr_el1", "mrs x3, currentel", "hvc #0";
    /// Puts x0 into some registers of EL1, and exits; then reads them.
    keep: "msr tpidr_el1, x0", "msr vbar_el1, x0", "msr elr_el1, x0", "msr contextidr_el1, x0",
        "ubfx x8, x0, #12, #10", "msr cntkctl_el1, x8", "msr sp_el0, x0", "mov sp, x0", "hvc #0",
        "mrs x1, tpidr_el1", "mrs x2, vbar_el1", "mrs x3, elr_el1", "mrs x4, contextidr_el1",
        "mrs x5, cntkctl_el1", "mrs x6, sp_el0", "mov x7, sp", "hvc #1", "b .";
    pointers: "msr tpidrro_el0, x0", "hvc #0", "mrs x1, tpidrro_el0", "hvc #0";
    use_fpu: ".arch_extension fp", "fmov x1, d0", "fmov d0, x0", "hvc #0", "fmov x1, d0", "hvc #0",
        ".arch_extension nofp";
    count: "isb", "mrs x1, cntvct_el0", "mrs x2, cntpct_el0", "hvc #0";
    /// Lets the virtual timer interrupt at once.
    timer: "msr cntv_cval_el0, xzr", "mov x1, #1", "msr cntv_ctl_el0, x1", "isb", "2:", "b 2b";
    /// Takes interrupts, with vectors at x0. With a CPU interface in memory that is at x20.
    take: "msr vbar_el1, x0", "cbnz x20, 2f", "mov x1, #0xf0", "msr S3_0_C4_C6_0, x1",
        "mov x1, #1", "msr S3_0_C12_C12_7, x1", "b 3f",
        "2:", "mov w1, #0xf0", "str w1, [x20, #4]", "mov w1, #1", "str w1, [x20]",
        "3:", "isb", "msr daifclr, #2", "4:", "b 4b";
}

global_asm!(
    ".pushsection .text.guest_vectors, \"ax\", @progbits",
    ".balign 2048",
    ".global guest_vectors",
    "guest_vectors:",
    ".rept 4",
    "hvc #0x100",
    ".balign 128",
    ".endr",
    // From EL1 with its own stack: synchronous, IRQ.
    "mrs x2, esr_el1",
    "hvc #0x101",
    ".balign 128",
    "cbnz x20, 2f",
    "mrs x1, S3_0_C12_C12_0",
    "msr S3_0_C12_C12_1, x1",
    "hvc #0x102",
    "eret",
    "2: ldr w1, [x20, #0xc]",
    "str w1, [x20, #0x10]",
    // Time for the interface.
    "dsb sy",
    "mov x3, #1000",
    "3: isb",
    "subs x3, x3, #1",
    "b.ne 3b",
    "hvc #0x102",
    "eret",
    ".balign 128",
    ".rept 10",
    "hvc #0x103",
    ".balign 128",
    ".endr",
    ".popsection",
);

unsafe extern "C" {
    #[link_name = "guest_vectors"]
    static VECTORS: u8;
}

/// Where the vectors are: each exits with a number of its own.
pub(crate) fn vectors() -> u64 {
    (&raw const VECTORS) as u64
}
/// What they exit with for a synchronous exception of EL1, whose syndrome is in x2 then.
pub(crate) const EXCEPTION: u64 = 0x101;
/// And for an interrupt, whose number is in x1.
pub(crate) const INTERRUPT: u64 = 0x102;
