//! FPU registers are kept for each thread.

use crate::arch;
use crate::victim::{Report, Victim, next_report};

/// Two threads that use the FPU in turn keep their registers; a third one finds a fresh FPU.
pub(crate) fn check() -> l4_rt::Result {
    let _one = Victim::start(1, arch::FPU_ALTERNATE, 0x5)?;
    let _other = Victim::start(2, arch::FPU_ALTERNATE, 0xa)?;
    for _ in 0..2 {
        let Report::Exception(frame) = next_report() else {
            panic!("a fault while the FPU was used");
        };
        assert_eq!(arch::number(&frame), arch::BREAKPOINT);
        assert_eq!(arch::result(&frame), 0, "FPU registers were lost");
    }
    let fresh = Victim::new(3, arch::FPU_LOOK, 0)?;
    fresh.expect_exception(arch::BREAKPOINT, "a fresh FPU");
    assert_eq!(arch::result(&fresh.frame()), 0, "the FPU was not fresh");
    l4_rt::println!("FPU registers were kept");
    Ok(())
}
