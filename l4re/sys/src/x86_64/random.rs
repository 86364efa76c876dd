//! The processor's random number generator.

use core::arch::asm;

/// A word of the processor's random number generator; `None` if it has none, or gives none now.
pub fn word() -> Option<u64> {
    const RDRAND: u32 = 1 << 30;
    const RDSEED: u32 = 1 << 18;
    const ATTEMPTS: usize = 64;
    let has_rdrand = core::arch::x86_64::__cpuid(1).ecx & RDRAND != 0;
    let has_leaf_7 = core::arch::x86_64::__cpuid(0).eax >= 7;
    let has_rdseed = has_leaf_7 && core::arch::x86_64::__cpuid_count(7, 0).ebx & RDSEED != 0;
    if !has_rdrand && !has_rdseed {
        return None;
    }
    (0..ATTEMPTS).find_map(|_| {
        let (word, is_valid): (u64, u8);
        // SAFETY: the processor has the instruction, which changes nothing but registers.
        unsafe {
            if has_rdseed {
                asm!("rdseed {}", "setc {}", out(reg) word, out(reg_byte) is_valid);
            } else {
                asm!("rdrand {}", "setc {}", out(reg) word, out(reg_byte) is_valid);
            }
        }
        (is_valid != 0).then_some(word)
    })
}
