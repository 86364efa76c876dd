//! The first instructions: from wherever the loader put the image, with the
//! MMU off, into the kernel's own address space.
//!
//! Entered as abi/07 says, at EL3 or EL2. The image is a position independent
//! executable that applies its relocations itself: the kernel's space maps
//! one to one, so it stays where it is.

use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::sync::atomic::AtomicU32;

use super::boot::Boot;
use super::kernel_space::{Access, KernelSpace};
use super::stacks::STACK_SIZE;
use super::{cpu, platform};

/// Bytes of the stack on which a kernel that failed reports.
pub(super) const EMERGENCY_STACK_SIZE: usize = 8 * 1024;

#[repr(C, align(4096))]
pub(super) struct Stack<const SIZE: usize>(UnsafeCell<[u8; SIZE]>);

// SAFETY: only stack pointers point into it.
unsafe impl<const SIZE: usize> Sync for Stack<SIZE> {}

/// The linker script puts a page below that is not mapped.
#[unsafe(link_section = ".stack")]
static STACK: Stack<STACK_SIZE> = Stack(UnsafeCell::new([0; STACK_SIZE]));

pub(super) static EMERGENCY_STACK: Stack<EMERGENCY_STACK_SIZE> =
    Stack(UnsafeCell::new([0; EMERGENCY_STACK_SIZE]));
/// 1 once a CPU is on it, for good.
pub(super) static EMERGENCY_STACK_IN_USE: AtomicU32 = AtomicU32::new(0);

/// Where the boot CPU's kernel stack ends.
pub(super) fn stack_top() -> u64 {
    STACK.0.get() as u64 + STACK_SIZE as u64
}

unsafe extern "C" {
    // Section bounds, from the linker script.
    static __image_start: u8;
    static __text_end: u8;
    static __data_start: u8;
    static __stack_guard: u8;
    static __stack_start: u8;
    static __image_end: u8;

    /// `__image_start` as it was linked.
    static brio_link_base: u64;

    /// The kernel's part, see [`upcalls!`](crate::upcalls).
    fn brio_start(boot: *mut c_void) -> !;
}

/// A linker symbol's address.
macro_rules! address_of {
    ($symbol:ident) => {
        &raw const $symbol as u64
    };
}

/// How far the image is from where it was linked.
pub(crate) fn load_offset() -> u64 {
    // SAFETY: a constant.
    address_of!(__image_start).wrapping_sub(unsafe { brio_link_base })
}

/// SCR_EL3 for the way down: EL2 is non-secure AArch64, has `hvc`, and no
/// `smc`, for there is no firmware then.
const SCR_EL3: u64 = 1 << 10 | 1 << 8 | 1 << 7 | 0x30 | 1;
/// SPSR for EL2 with its own stack, all masked.
const EL2_MASKED: u64 = 0x3c9;
/// HCR_EL2 while there is no user mode: no VHE; EL1 would be AArch64.
pub(super) const HCR_EL2: u64 = 1 << 31;
/// SCTLR_EL2 with MMU and caches off.
pub(super) const SCTLR_EL2_OFF: u64 = 0x30c5_0830;
/// R_AARCH64_RELATIVE.
const RELATIVE: u32 = 1027;

/// The kernel's entry point.
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.start")]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "msr daifset, #15",
        "mrs x0, currentel",
        "cmp x0, #(3 << 2)",
        "b.eq 3f",
        "cmp x0, #(2 << 2)",
        "b.eq 2f",
        // The loader should not have come here (abi/07).
        "1: wfi",
        "b 1b",
        //
        "3: ldr x0, ={scr_el3}",
        "msr scr_el3, x0",
        "msr cptr_el3, xzr",
        "mrs x0, id_aa64pfr0_el1",
        "ubfx x0, x0, #24, #4",
        "cbz x0, 4f",
        "mov x0, #0xf",
        "msr S3_6_C12_C12_5, x0", // ICC_SRE_EL3
        "4: ldr x0, ={el2_masked}",
        "msr spsr_el3, x0",
        "adr x0, 2f",
        "msr elr_el3, x0",
        "eret",
        //
        "2: ldr x0, ={hcr_el2}",
        "msr hcr_el2, x0",
        "isb",
        "ldr x0, ={sctlr_el2}",
        "msr sctlr_el2, x0",
        "isb",
        // What the loader wrote may be in caches only; what is written from
        // here on, until the MMU is on, goes past them.
        "adrp x0, __image_start",
        "adrp x1, __image_end",
        "mrs x2, ctr_el0",
        "ubfx x2, x2, #16, #4",
        "mov x3, #4",
        "lsl x2, x3, x2",
        "mov x3, x0",
        "5: dc civac, x3",
        "add x3, x3, x2",
        "cmp x3, x1",
        "b.lo 5b",
        "dsb sy",
        "ic iallu",
        "tlbi alle2",
        "dsb sy",
        "isb",
        // Relocations.
        "ldr x4, brio_link_base",
        "sub x4, x0, x4",
        "adrp x5, __relocations_start",
        "add x5, x5, :lo12:__relocations_start",
        "adrp x6, __relocations_end",
        "add x6, x6, :lo12:__relocations_end",
        "6: cmp x5, x6",
        "b.hs 7f",
        "ldp x7, x8, [x5]",
        "ldr x9, [x5, #16]",
        "add x5, x5, #24",
        "cmp w8, #{relative}",
        "b.ne 6b",
        "add x9, x9, x4",
        "str x9, [x7, x4]",
        "b 6b",
        //
        "7: adrp x0, {stack}",
        "add x0, x0, :lo12:{stack}",
        "mov x1, #{stack_size}",
        "add sp, x0, x1",
        "mov x29, xzr",
        "mov x30, xzr",
        "msr tpidr_el2, xzr",
        "b {start}",
        //
        ".balign 8",
        ".global brio_link_base",
        "brio_link_base: .quad __link_base",
        ".ltorg",
        scr_el3 = const SCR_EL3,
        el2_masked = const EL2_MASKED,
        hcr_el2 = const HCR_EL2,
        sctlr_el2 = const SCTLR_EL2_OFF,
        relative = const RELATIVE,
        stack = sym STACK,
        stack_size = const STACK_SIZE,
        start = sym start,
    )
}

/// Still with the MMU off, so no atomic read-modify-write before it is on.
extern "C" fn start() -> ! {
    // SAFETY: the only call, and the maps below cover all that code uses.
    let mut space = unsafe { KernelSpace::new() };
    for (start, end, access) in [
        (
            address_of!(__image_start),
            address_of!(__text_end),
            Access::Code,
        ),
        (
            address_of!(__text_end),
            address_of!(__data_start),
            Access::Constants,
        ),
        (
            address_of!(__data_start),
            address_of!(__stack_guard),
            Access::Data,
        ),
        (
            address_of!(__stack_start),
            address_of!(__image_end),
            Access::Data,
        ),
    ] {
        space.map(start, end - start, access);
    }
    // SAFETY: the image is mapped where it runs.
    unsafe { space.activate() };
    cpu::initialise();
    let mut boot = Boot::new(space);
    platform::prepare_console(&mut boot);
    // SAFETY: the kernel takes over.
    unsafe { brio_start((&raw mut boot).cast()) }
}
