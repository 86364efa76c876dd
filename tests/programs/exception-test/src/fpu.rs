//! FPU registers are kept for each thread.

use crate::arch;
use crate::victim::Victim;

/// Two threads fill the FPU with values of their own, in turn, and look whether these are still
/// there; a third one finds a fresh FPU.
pub(crate) fn check() -> l4_rt::Result {
    let mut victims = [
        Victim::new(1, arch::FPU_FILL, 0x10)?,
        Victim::new(2, arch::FPU_FILL, 0x20)?,
    ];
    for _ in 0..3 {
        for victim in &mut victims {
            victim.expect_exception(arch::BREAKPOINT, "FPU values");
        }
        for victim in &mut victims {
            victim.go_on_at(arch::FPU_COMPARE);
            victim.expect_exception(arch::BREAKPOINT, "FPU comparison");
            assert_eq!(arch::result(&victim.frame()), 0, "FPU values were lost");
        }
    }
    let fresh = Victim::new(3, arch::FPU_LOOK, 0)?;
    fresh.expect_exception(arch::BREAKPOINT, "a fresh FPU");
    assert_eq!(arch::result(&fresh.frame()), 0, "the FPU was not fresh");
    l4_rt::println!("FPU registers were kept");
    Ok(())
}
