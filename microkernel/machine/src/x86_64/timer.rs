//! The clock and its deadlines: the time stamp counter, and the local APIC's
//! timer.

use l4_abi::arch::x86_64::{
    CLOCK_MICROS_SHIFT, CLOCK_NANOS_SHIFT, KIP_CLOCK_MICROS_SCALER_OFFSET,
    KIP_CLOCK_NANOS_SCALER_OFFSET, KipHeader,
};
use l4_abi::kip::{CLOCK_MICROS_CODE_OFFSET, CLOCK_NANOS_CODE_OFFSET};

use super::instructions::{cpuid, read_port_32, read_tsc};
use super::local_apic::LocalApic;
use crate::kip::KipPage;

const MICROSECONDS: u64 = 1_000_000;
const NANOSECONDS: u64 = 1_000_000_000;

/// The ACPI timer's ticks a second, and those of its bits that all have.
const ACPI_FREQUENCY: u64 = 3_579_545;
const ACPI_MASK: u32 = 0xff_ffff;
/// How long the other clocks are measured: 10 ms.
const MEASURED: u32 = (ACPI_FREQUENCY / 100) as u32;
/// How often to look at an ACPI timer before it is held to be broken.
const PATIENCE: u32 = 100_000_000;

/// The clock function of the KIP (abi/04): the time stamp counter times the
/// scaler at `$scaler` from the code's start, shifted right.
macro_rules! clock_code {
    ($name:ident, $symbol:literal, $scaler:literal, $shift:literal) => {
        core::arch::global_asm!(
            ".pushsection .rodata.kip, \"a\", @progbits",
            ".balign 8",
            concat!($symbol, ":"),
            "rdtsc",
            "shl rdx, 32",
            "or rax, rdx",
            concat!("mul qword ptr [rip + ", $symbol, " + ", $scaler, "]"),
            concat!("shrd rax, rdx, ", $shift),
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
const CLOCK_CODE_SIZE: usize = 22;

clock_code!(MICROS_CODE, "brio_clock_micros", "0xf0", "32");
clock_code!(NANOS_CODE, "brio_clock_nanos", "0x78", "27");

const _: () = {
    assert!(KIP_CLOCK_MICROS_SCALER_OFFSET == CLOCK_MICROS_CODE_OFFSET + 0xf0);
    assert!(KIP_CLOCK_NANOS_SCALER_OFFSET == CLOCK_NANOS_CODE_OFFSET + 0x78);
    assert!(CLOCK_MICROS_SHIFT == 32 && CLOCK_NANOS_SHIFT == 27);
};

/// The clock.
pub struct Timer {
    local: LocalApic,
    /// Ticks of the time stamp counter a second.
    pub(super) frequency: u64,
    /// Microseconds for a tick, times 2^32.
    micros: u64,
    /// Ticks for a microsecond by `micros`, times 2^32, rounded up.
    ticks: u64,
    /// Ticks of the local APIC's timer for a microsecond, times 2^32; `None`
    /// if it goes by the time stamp counter.
    apic_ticks: Option<u64>,
}

impl Timer {
    /// Measures this machine's clock. `acpi_timer` is the port of that timer,
    /// or 0.
    ///
    /// # Panics
    /// If there is nothing to measure it with.
    pub(super) fn new(local: LocalApic, acpi_timer: u16) -> Self {
        const DEADLINE: u32 = 1 << 24;
        let by_deadline = cpuid(1, 0).ecx & DEADLINE != 0;
        local.enable_timer(by_deadline);
        let (frequency, apic_frequency) = match told_frequency() {
            Some(frequency) if by_deadline => (frequency, 0),
            told => {
                let (frequency, apic_frequency) = measure(&local, acpi_timer);
                (told.unwrap_or(frequency), apic_frequency)
            }
        };
        assert!(
            frequency > MICROSECONDS,
            "the time stamp counter hardly moves"
        );
        let micros = ((MICROSECONDS << 32) / frequency).max(1);
        Self {
            local,
            frequency,
            micros,
            ticks: u64::try_from((1u128 << 64) / u128::from(micros) + 1).unwrap_or(u64::MAX),
            apic_ticks: (!by_deadline)
                .then(|| ((u128::from(apic_frequency) << 32) / u128::from(MICROSECONDS)) as u64),
        }
    }

    /// Makes this CPU's timer usable.
    pub(super) fn initialise_cpu(&self) {
        self.local.enable_timer(self.apic_ticks.is_none());
    }

    /// Passes `micros` of time.
    pub(super) fn wait(&self, micros: u64) {
        let end = self.now() + micros;
        while self.now() < end {
            core::hint::spin_loop();
        }
    }

    /// Microseconds since boot; what the KIP's clock function gives.
    #[inline]
    pub fn now(&self) -> u64 {
        scale(read_tsc(), self.micros)
    }

    /// Asks for a timer interrupt on this CPU when the clock has reached
    /// `deadline`, at once if it has. It may come early, if that is far away.
    #[inline]
    pub fn set_deadline(&self, deadline: u64) {
        match self.apic_ticks {
            None => {
                let ticks = (u128::from(deadline) * u128::from(self.ticks)) >> 32;
                // 0 would be none.
                self.local
                    .set_deadline(u64::try_from(ticks).unwrap_or(u64::MAX).max(1));
            }
            Some(apic_ticks) => {
                let micros = deadline.saturating_sub(self.now());
                let ticks = ((u128::from(micros) * u128::from(apic_ticks)) >> 32) + 1;
                self.local
                    .start_timer(u32::try_from(ticks).unwrap_or(u32::MAX));
            }
        }
    }

    /// Asks for no timer interrupt on this CPU.
    #[inline]
    pub fn stop(&self) {
        match self.apic_ticks {
            None => self.local.set_deadline(0),
            Some(_) => self.local.start_timer(0),
        }
    }

    /// Writes the KIP's clock functions and the CPU's frequency (abi/04).
    pub fn fill_kip(&self, kip: &KipPage) {
        kip.set_word(
            core::mem::offset_of!(KipHeader, cpu_frequency_khz),
            self.frequency / 1000,
        );
        // SAFETY: constant data of the image.
        let (micros_code, nanos_code) = unsafe { (&MICROS_CODE, &NANOS_CODE) };
        kip.set_bytes(CLOCK_MICROS_CODE_OFFSET, micros_code);
        kip.set_bytes(CLOCK_NANOS_CODE_OFFSET, nanos_code);
        kip.set_word(KIP_CLOCK_MICROS_SCALER_OFFSET, self.micros);
        let nanos = (u128::from(NANOSECONDS) << CLOCK_NANOS_SHIFT) / u128::from(self.frequency);
        kip.set_word(KIP_CLOCK_NANOS_SCALER_OFFSET, nanos as u64);
    }
}

#[inline]
fn scale(ticks: u64, factor: u64) -> u64 {
    ((u128::from(ticks) * u128::from(factor)) >> 32) as u64
}

/// The time stamp counter's frequency, if the CPU tells it (CPUID leaf 0x15:
/// crystal frequency and ratio).
fn told_frequency() -> Option<u64> {
    let leaf = cpuid(0x15, 0);
    if leaf.eax == 0 || leaf.ecx == 0 {
        return None;
    }
    let frequency = u64::from(leaf.ecx) * u64::from(leaf.ebx) / u64::from(leaf.eax);
    (frequency > 0).then_some(frequency)
}

/// Frequencies of the time stamp counter and of the local APIC's timer, by
/// the ACPI timer.
fn measure(local: &LocalApic, acpi_timer: u16) -> (u64, u64) {
    assert!(
        acpi_timer != 0,
        "there is no ACPI timer to measure the clock with"
    );
    // SAFETY: reading the timer has no effect.
    let read_timer = || unsafe { read_port_32(acpi_timer) } & ACPI_MASK;
    let mut looks = 0;
    let mut wait_until = |start: u32, ticks: u32| loop {
        let passed = read_timer().wrapping_sub(start) & ACPI_MASK;
        if passed >= ticks {
            break passed;
        }
        looks += 1;
        assert!(looks < PATIENCE, "the ACPI timer does not run");
    };
    // Begin at a tick.
    let now = read_timer();
    wait_until(now, 1);

    let start = read_timer();
    let first = read_tsc();
    local.start_timer(u32::MAX);
    let passed = u64::from(wait_until(start, MEASURED));
    let ticks = read_tsc() - first;
    let apic_ticks = u32::MAX - local.timer_ticks();
    local.start_timer(0);
    let frequency = |ticks: u64| ticks * ACPI_FREQUENCY / passed;
    (frequency(ticks), frequency(u64::from(apic_ticks)))
}
