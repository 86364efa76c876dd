//! Registers of version 2 (IHI 0048, chapter 4): the distributor, of which each CPU sees its own interrupts; and
//! its list registers.

use super::{BANK, FIRST_SHARED, Gic, SOFTWARE_GENERATED, list};
use crate::aarch64::platform::CPU_INTERFACE;

/// CPUs: a byte names them.
pub(crate) const MAX_CPUS: u8 = 8;
/// What device trees call the controller, and where a CPU's interface is, which is the hardware's, with its bytes.
pub(crate) const INTERFACES: (&str, u64, u64) = ("arm,gic-400", CPU_INTERFACE, 0x1000);

/// GICD_ITARGETSR of the first device, and behind that of the last; before them those of the CPU's own.
const OWN_TARGETS: u64 = 0x800;
pub(super) const TARGETS: u64 = OWN_TARGETS + FIRST_SHARED as u64;
const TARGETS_END: u64 = TARGETS + BANK as u64;
/// GICD_SGIR.
pub(super) const GENERATE: u64 = 0xf00;
/// ICPIDR2.
const IDENTIFICATION: u64 = 0xfe8;
const VERSION: u64 = 0x2b;

impl Gic {
    pub(crate) fn read_v2(&self, cpu: usize, offset: u64, size: u8) -> u64 {
        let bytes = |byte: &dyn Fn(usize) -> u64| {
            let bytes = (0..usize::from(size.min(8))).rev();
            bytes.fold(0, |value, index| value << 8 | byte(index))
        };
        match offset {
            0x0 => self.is_on.into(),
            // 64 interrupts.
            0x4 => (self.own.len() as u64 - 1) << 5 | 1,
            OWN_TARGETS..TARGETS => bytes(&|_| 1 << cpu),
            TARGETS..TARGETS_END => bytes(&|index| {
                let route = self.routes.get((offset - TARGETS) as usize + index);
                route.map_or(0, |cpu| 1 << cpu)
            }),
            IDENTIFICATION => VERSION,
            _ => {
                let own = self.own.get(cpu);
                own.map_or(0, |own| own.bank.read(offset, size, 0))
                    | self.devices.read(offset, size, 1)
            }
        }
    }

    pub(crate) fn write_v2(&mut self, cpu: usize, offset: u64, size: u8, value: u64) {
        match offset {
            0x0 => self.is_on = value & 1 != 0,
            TARGETS..TARGETS_END => {
                let bytes = value.to_le_bytes();
                for (index, byte) in bytes.iter().enumerate().take(size.into()) {
                    // One of those that it names.
                    let target = byte.trailing_zeros() as usize;
                    self.route((offset - TARGETS) as usize + index, target);
                }
            }
            GENERATE => {
                let targets = value >> 16 & 0xff;
                self.send((value & 0xf) as u32, |target| match value >> 24 & 3 {
                    0 => targets >> target & 1 != 0,
                    1 => target != cpu,
                    2 => target == cpu,
                    _ => false,
                });
            }
            _ => {
                if let Some(own) = self.own.get_mut(cpu) {
                    own.bank.write(offset, size, value, 0);
                    own.bank.edges |= SOFTWARE_GENERATED;
                }
                self.devices.write(offset, size, value, 1);
            }
        }
    }
}

/// GICH_LR: number, end that is told, priority, state.
const NUMBER: u32 = 0x3ff;
const TELL_END: u32 = 1 << 19;
const PRIORITY_SHIFT: u32 = 23;
const STATE_SHIFT: u32 = 28;

/// A list register of version 2, as version 3 has it.
pub(crate) fn widen(narrow: u32) -> u64 {
    let state = u64::from(narrow >> STATE_SHIFT & 3) << 62;
    let priority = u64::from(narrow >> PRIORITY_SHIFT & 0x1f) << (list::PRIORITY_SHIFT + 3);
    let end = if narrow & TELL_END != 0 {
        list::TELL_END
    } else {
        0
    };
    state | priority | end | u64::from(narrow & NUMBER)
}

/// A list register of version 3, as version 2 has it. There the guest's interrupts are of group 0.
pub(crate) fn narrow(wide: u64) -> u32 {
    let state = ((wide >> 62) as u32) << STATE_SHIFT;
    let priority = (wide >> (list::PRIORITY_SHIFT + 3) & 0x1f) as u32;
    let end = if wide & list::TELL_END != 0 {
        TELL_END
    } else {
        0
    };
    state | priority << PRIORITY_SHIFT | end | wide as u32 & NUMBER
}
