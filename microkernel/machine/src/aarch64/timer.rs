//! The generic timer: the counter that user mode reads too, and this CPU's
//! EL2 physical timer for deadlines (CNTHP, PPI 26).

use l4_abi::arch::aarch64::{
    KIP_CLOCK_MICROS_SCALER_OFFSET, KIP_CLOCK_NANOS_SCALER_OFFSET, KIP_SYSCALL_CODE,
};
use l4_abi::kip::{CLOCK_MICROS_CODE_OFFSET, CLOCK_NANOS_CODE_OFFSET, SYSCALL_CODE_OFFSET};

use super::scaler::Scaler;
use crate::kip::KipPage;

const MICROSECONDS: u64 = 1_000_000;
const NANOSECONDS: u64 = 1_000_000_000;

/// CNTHP_CTL_EL2.
const ENABLE: u64 = 1;

/// The clock function of the KIP (abi/04) for a scaler at `scaler` and its
/// shift behind it: the counter times the scaler, shifted right by 32 minus
/// the shift. Uses x0 to x4.
macro_rules! clock_code {
    ($name:ident, $symbol:literal, $scaler:literal) => {
        core::arch::global_asm!(
            ".pushsection .rodata.kip, \"a\", @progbits",
            ".balign 8",
            concat!(".global ", $symbol),
            concat!($symbol, ":"),
            "isb",
            "mrs x0, cntvct_el0",
            concat!("ldr x1, ", $symbol, " + ", $scaler),
            concat!("ldr x2, ", $symbol, " + ", $scaler, " + 8"),
            "mul x3, x0, x1",
            "umulh x4, x0, x1",
            "mov x1, #32",
            "sub x1, x1, x2", // right shift of the low word
            "mov x0, #64",
            "sub x0, x0, x1", // left shift of the high word
            "lsr x3, x3, x1",
            "lsl x4, x4, x0",
            "orr x0, x3, x4",
            "ret",
            ".popsection",
        );
        unsafe extern "C" {
            #[link_name = $symbol]
            static $name: [u8; CLOCK_CODE_SIZE];
        }
    };
}

/// Bytes of a clock function.
const CLOCK_CODE_SIZE: usize = 14 * 4;

clock_code!(MICROS_CODE, "brio_clock_micros", "0x70");
clock_code!(NANOS_CODE, "brio_clock_nanos", "0x70");

const _: () = {
    assert!(KIP_CLOCK_MICROS_SCALER_OFFSET == CLOCK_MICROS_CODE_OFFSET + 0x70);
    assert!(KIP_CLOCK_NANOS_SCALER_OFFSET == CLOCK_NANOS_CODE_OFFSET + 0x70);
};

/// The clock.
pub struct Timer {
    micros: Scaler,
    nanos: Scaler,
}

impl Timer {
    /// The clock of this machine.
    ///
    /// # Panics
    /// If firmware did not say how fast the counter is.
    pub(super) fn new() -> Self {
        let frequency = read_register!("cntfrq_el0");
        assert!(
            frequency != 0,
            "the firmware did not set the timer's frequency (CNTFRQ_EL0)"
        );
        Self {
            micros: Scaler::new(MICROSECONDS, frequency),
            nanos: Scaler::new(NANOSECONDS, frequency),
        }
    }

    /// Microseconds since boot; what the KIP's clock function gives.
    #[inline]
    pub fn now(&self) -> u64 {
        barrier!("isb");
        // Not the virtual counter, which may be a guest's.
        self.micros.units(read_register!("cntpct_el0"))
    }

    /// Asks for a timer interrupt on this CPU when the clock has reached
    /// `deadline`, at once if it has.
    #[inline]
    pub fn set_deadline(&self, deadline: u64) {
        let ticks = self.micros.ticks(deadline);
        // SAFETY: the timer only raises its interrupt.
        unsafe {
            write_register!("cnthp_cval_el2", ticks);
            write_register!("cnthp_ctl_el2", ENABLE);
        }
    }

    /// Asks for no timer interrupt on this CPU.
    #[inline]
    pub fn stop(&self) {
        stop();
    }

    /// Writes the KIP's code (abi/04): system call and clock functions.
    pub fn fill_kip(&self, kip: &KipPage) {
        let [svc, ret] = KIP_SYSCALL_CODE;
        kip.set_word(SYSCALL_CODE_OFFSET, u64::from(ret) << 32 | u64::from(svc));
        // SAFETY: constant data of the image.
        let (micros_code, nanos_code) = unsafe { (&MICROS_CODE, &NANOS_CODE) };
        for (offset, code, scaler) in [
            (CLOCK_MICROS_CODE_OFFSET, micros_code, &self.micros),
            (CLOCK_NANOS_CODE_OFFSET, nanos_code, &self.nanos),
        ] {
            kip.set_bytes(offset, code);
            kip.set_word(offset + 0x70, scaler.factor());
            kip.set_word(offset + 0x78, scaler.shift());
        }
        // What user mode will fetch as instructions.
        super::boot::clean_code(kip);
    }
}

/// Stops this CPU's timer, whose interrupt is level-triggered.
#[inline]
pub(super) fn stop() {
    // SAFETY: the timer only raises its interrupt.
    unsafe { write_register!("cnthp_ctl_el2", 0) };
    barrier!("isb");
}
