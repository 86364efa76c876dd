//! Starting the other CPUs: firmware lets them begin at our entry point
//! (PSCI), at EL2, with the MMU off.
//!
//! What the code there needs before the MMU is on is in its instructions, so
//! it does not matter that it reads past the caches.

use core::arch::naked_asm;

use super::kernel_space::{MEMORY_TYPES, POOL, SCTLR_EL2, TRANSLATION};
use super::platform::Platform;
use super::start::{HCR_EL2, SCTLR_EL2_OFF};
use super::{cpu, panic, psci, syscall};
use crate::handover::Handover;
use crate::per_cpu::CpuBlock;

/// Gives a CPU that starts its block.
static HANDOVER: Handover = Handover::new();

/// Offset in [`CpuBlock`], which `per_cpu.rs` fixes.
const BLOCK_STACK_TOP: usize = 16;
/// Bits of CurrentEL that are the level, and level 2.
const EL2: u64 = 2 << 2;

unsafe extern "C" {
    /// The kernel's part, see [`upcalls!`](crate::upcalls).
    fn brio_start_cpu(cpu: *mut CpuBlock);
}

/// Where the CPU begins.
#[unsafe(naked)]
#[unsafe(link_section = ".text.start_cpu")]
unsafe extern "C" fn entry() -> ! {
    naked_asm!(
        "msr daifset, #15",
        "mrs x0, currentel",
        "cmp x0, #{el2}",
        "b.ne 3f",
        "ldr x0, ={hcr_el2}",
        "msr hcr_el2, x0",
        "ldr x0, ={sctlr_el2_off}",
        "msr sctlr_el2, x0",
        "isb",
        "ic iallu",
        "tlbi alle2",
        "dsb sy",
        "isb",
        // As `KernelSpace::activate`.
        "ldr x0, ={memory_types}",
        "msr mair_el2, x0",
        "mrs x0, id_aa64mmfr0_el1",
        "and x0, x0, #0xf",
        "mov x1, #5",
        "cmp x0, x1",
        "csel x0, x0, x1, lo",
        "ldr x1, ={translation}",
        "orr x0, x1, x0, lsl #16",
        "msr tcr_el2, x0",
        "adrp x0, {pool}",
        "add x0, x0, :lo12:{pool}",
        "msr ttbr0_el2, x0",
        "isb",
        "ldr x0, ={sctlr_el2}",
        "msr sctlr_el2, x0",
        "isb",
        //
        "adrp x1, {handover}",
        "add x1, x1, :lo12:{handover}",
        "2: ldaxr x0, [x1]",
        "stxr w2, xzr, [x1]",
        "cbnz w2, 2b",
        "cbz x0, 3f",
        "ldr x1, [x0, #{stack_top}]",
        "mov sp, x1",
        "mov x29, xzr",
        "mov x30, xzr",
        "b {main}",
        // Too late, or not where we want to be.
        "3: wfi",
        "b 3b",
        ".ltorg",
        el2 = const EL2,
        hcr_el2 = const HCR_EL2,
        sctlr_el2_off = const SCTLR_EL2_OFF,
        memory_types = const MEMORY_TYPES,
        translation = const TRANSLATION,
        pool = sym POOL,
        sctlr_el2 = const SCTLR_EL2,
        handover = sym HANDOVER,
        stack_top = const BLOCK_STACK_TOP,
        main = sym main,
    );
}

/// Continues in Rust on the CPU's own stack.
unsafe extern "C" fn main(cpu: &'static mut CpuBlock) -> ! {
    cpu::initialise();
    cpu::attach(cpu);
    // SAFETY: the kernel's upcall takes the CPU's block.
    unsafe { brio_start_cpu(cpu) };
    HANDOVER.finish();
    // SAFETY: the block names no thread, and nothing on this stack is used
    // any more.
    unsafe { syscall::leave() }
}

/// Starts the CPU whose block this is; its stack is in place. False if it
/// does not start.
pub(super) fn start(platform: &Platform, block: &'static CpuBlock) -> bool {
    let Some(&id) = platform.cpus().get(block.id() as usize) else {
        return false;
    };
    let wake = || {
        // SAFETY: the entry point is made for this.
        panic::has_psci() && unsafe { psci::cpu_on(id, entry as *const () as u64) }
    };
    // Counters tell the same time everywhere (D12.1.2).
    HANDOVER.give(block, &platform.timer, wake, || true)
}
