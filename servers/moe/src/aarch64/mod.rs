//! What moe needs of aarch64: its instruction caches do not see writes by themselves, and uncached
//! accesses do not see its data caches.

use core::arch::asm;

/// Makes what was written to memory visible to instruction fetches: data to the point of
/// unification, then the instruction caches (Arm ARM B2.4.4). `CTR_EL0` has the sizes of lines.
pub(crate) fn make_executable(address: u64, bytes: u64) {
    let sizes: u64;
    // SAFETY: a register that user mode may read (abi/01).
    unsafe { asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack)) };
    let line = |log2_words: u64| 4u64 << (log2_words & 0xf);
    for data in (address..address + bytes).step_by(line(sizes >> 16) as usize) {
        // SAFETY: cleaning a line changes nothing that is read; the memory is mapped.
        unsafe { asm!("dc cvau, {}", in(reg) data, options(nostack)) };
    }
    // SAFETY: barriers, and forgetting instructions that nobody runs yet.
    unsafe { asm!("dsb ish", options(nostack)) };
    for code in (address..address + bytes).step_by(line(sizes) as usize) {
        // SAFETY: as above.
        unsafe { asm!("ic ivau, {}", in(reg) code, options(nostack)) };
    }
    // SAFETY: as above.
    unsafe { asm!("dsb ish", "isb", options(nostack)) };
}

/// Writes what is in the caches back to memory and forgets it there: who has the memory mapped
/// uncached sees what is in memory, which may be what its last owner left.
pub(crate) fn write_back(address: u64, bytes: u64) {
    let sizes: u64;
    // SAFETY: a register that user mode may read (abi/01).
    unsafe { asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack)) };
    let line = 4u64 << (sizes >> 16 & 0xf);
    for data in (address..address + bytes).step_by(line as usize) {
        // SAFETY: cleaning a line changes nothing that is read; the memory is mapped.
        unsafe { asm!("dc civac, {}", in(reg) data, options(nostack)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb sy", options(nostack)) };
}
