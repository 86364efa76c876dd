//! Registers of version 3 (IHI 0069, chapter 12): the distributor, and a redistributor for each CPU.

use super::{BANK, Gic, SOFTWARE_GENERATED, Version};
use crate::aarch64::platform::REDISTRIBUTOR;

/// Bytes of a redistributor's registers, of which each CPU has one.
pub const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;
/// Where the CPU's own interrupts have theirs in it.
pub(super) const OWN_INTERRUPTS: u64 = 0x1_0000;

/// GICD_CTLR: group 1 is on; there is one security state, and affinities are used.
pub(super) const GROUP_1: u32 = 1 << 1;
const FIXED_CONTROL: u32 = 1 << 6 | 1 << 4;
/// GICD_TYPER: 64 interrupts, with numbers of ten bits.
const KIND: u32 = 9 << 19 | 1;
/// GICD_IROUTER of the first device, and behind that of the last.
pub(super) const ROUTES: u64 = 0x6100;
const ROUTES_END: u64 = ROUTES + 8 * BANK as u64;
/// GICR_TYPER: the last one.
pub(super) const LAST: u64 = 1 << 4;
/// GICR_WAKER: sleep, which is at once.
const SLEEP: u32 = 1 << 1;
const ASLEEP: u32 = 1 << 2;
/// GICD_PIDR2, GICR_PIDR2: version 3.
const VERSION: u32 = 0x3b;

/// What device trees call the controller, and where the redistributors are, with their bytes.
pub(crate) fn interfaces(_: Version, cpus: u8) -> (&'static str, u64, u64) {
    let size = REDISTRIBUTOR_SIZE * u64::from(cpus);
    ("arm,gic-v3", REDISTRIBUTOR, size)
}

/// A CPU reads the distributor.
pub(crate) fn read(gic: &Gic, _: usize, offset: u64, size: u8) -> u64 {
    match offset {
        0x0 => {
            let on = if gic.is_on { GROUP_1 } else { 0 };
            (on | FIXED_CONTROL).into()
        }
        0x4 => KIND.into(),
        ROUTES..ROUTES_END if offset.is_multiple_of(8) => {
            gic.routes[(offset - ROUTES) as usize / 8].into()
        }
        0xffe8 => VERSION.into(),
        _ => gic.devices.read(offset, size, 1),
    }
}

/// A CPU writes the distributor.
pub(crate) fn write(gic: &mut Gic, _: usize, offset: u64, size: u8, value: u64) {
    match offset {
        0x0 => gic.is_on = value as u32 & GROUP_1 != 0,
        ROUTES..ROUTES_END if offset.is_multiple_of(8) => {
            gic.route((offset - ROUTES) as usize / 8, usize::from(value as u8));
        }
        _ => gic.devices.write(offset, size, value, 1),
    }
}

impl Gic {
    /// A CPU writes ICC_SGI1R_EL1: a software-generated interrupt for the CPUs that it names.
    pub fn generate(&mut self, cpu: usize, value: u64) {
        const OTHERS: u64 = 1 << 40;
        /// Affinities that no CPU has.
        const ELSEWHERE: u64 = 0x00ff_f0ff_00ff_0000;
        self.send((value >> 24 & 0xf) as u32, |target| match value & OTHERS {
            0 => value & ELSEWHERE == 0 && value >> target & 1 != 0,
            _ => target != cpu,
        });
    }

    /// The guest reads the redistributors, which follow each other.
    pub fn read_redistributor(&self, offset: u64, size: u8) -> u64 {
        let (cpu, offset) = split(offset);
        let Some(own) = self.own.get(cpu) else {
            return 0;
        };
        match offset {
            0x8 | 0xc => {
                let last = if cpu + 1 == self.own.len() { LAST } else { 0 };
                let number = cpu as u64;
                (number << 32 | number << 8 | last) >> (8 * (offset - 8))
            }
            0x14 if own.asleep => (SLEEP | ASLEEP).into(),
            0xffe8 => VERSION.into(),
            OWN_INTERRUPTS.. => own.bank.read(offset - OWN_INTERRUPTS, size, 0),
            _ => 0,
        }
    }

    /// The guest writes there.
    pub fn write_redistributor(&mut self, offset: u64, size: u8, value: u64) {
        let (cpu, offset) = split(offset);
        let Some(own) = self.own.get_mut(cpu) else {
            return;
        };
        match offset {
            0x14 => own.asleep = value as u32 & SLEEP != 0,
            OWN_INTERRUPTS.. => {
                own.bank.write(offset - OWN_INTERRUPTS, size, value, 0);
                own.bank.edges |= SOFTWARE_GENERATED;
            }
            _ => {}
        }
    }
}

/// Whose redistributor is at an offset, and where in that it is.
fn split(offset: u64) -> (usize, u64) {
    (
        (offset / REDISTRIBUTOR_SIZE) as usize,
        offset % REDISTRIBUTOR_SIZE,
    )
}
