//! Distributor and redistributor of a GIC of version 3 (IHI 0069, chapter 12), for one CPU. The CPU
//! interface is the hardware's: it shows the guest what stands in the list registers, which
//! [`Gic::offer`] fills.

/// Interrupts: 16 software-generated ones, 16 of the CPU, and 32 of devices.
pub const INTERRUPTS: u32 = 64;
/// The first that is a device's.
pub const FIRST_SHARED: u32 = 32;
/// Bytes of the distributor's registers.
pub const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// Bytes of the redistributor's registers.
pub const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;
/// Of the latter, where the CPU's own interrupts have theirs.
const OWN_INTERRUPTS: u64 = 0x1_0000;

/// The first 32 of a mask of interrupts.
const PRIVATE: u64 = u32::MAX as u64;
/// Those that are never levels.
const SOFTWARE_GENERATED: u64 = 0xffff;

/// GICD_CTLR: group 1 is on; there is one security state, and affinities are used.
const GROUP_1: u32 = 1 << 1;
const FIXED_CONTROL: u32 = 1 << 6 | 1 << 4;
/// GICD_TYPER: 64 interrupts, with numbers of ten bits.
const KIND: u32 = 9 << 19 | (INTERRUPTS / 32 - 1);
/// GICR_TYPER: the last one.
const LAST: u32 = 1 << 4;
/// GICR_WAKER: sleep, which is at once.
const SLEEP: u32 = 1 << 1;
const ASLEEP: u32 = 1 << 2;
/// GICD_PIDR2, GICR_PIDR2: version 3.
const VERSION: u32 = 0x3b;

/// List registers (ICH_LR_EL2).
mod list {
    pub(super) const PENDING: u64 = 1 << 62;
    pub(super) const STATE: u64 = 3 << 62;
    pub(super) const GROUP_1: u64 = 1 << 60;
    pub(super) const PRIORITY_SHIFT: u32 = 48;
    /// Its end is told.
    pub(super) const TELL_END: u64 = 1 << 41;
    pub(super) const NUMBER: u64 = 0xffff_ffff;
}

/// The state of all interrupts, a bit each.
pub struct Gic {
    control: u32,
    asleep: bool,
    enabled: u64,
    /// They have come, and are not shown yet.
    pending: u64,
    /// Lines that are high now.
    lines: u64,
    /// They are shown because their line was high, and for no other reason.
    shown_for_lines: u64,
    /// Come by edges, not levels.
    edges: u64,
    priorities: [u8; INTERRUPTS as usize],
}

impl Default for Gic {
    fn default() -> Self {
        Self {
            control: 0,
            asleep: true,
            enabled: 0,
            pending: 0,
            lines: 0,
            shown_for_lines: 0,
            edges: SOFTWARE_GENERATED,
            priorities: [0; INTERRUPTS as usize],
        }
    }
}

/// Registers that have a bit for each interrupt.
#[derive(Clone, Copy)]
enum Mask {
    SetEnable,
    ClearEnable,
    SetPending,
    ClearPending,
    /// Groups are fixed, and what is active the hardware knows.
    Other,
}

impl Mask {
    fn at(offset: u64) -> Self {
        match offset & !0x7f {
            0x100 => Self::SetEnable,
            0x180 => Self::ClearEnable,
            0x200 => Self::SetPending,
            0x280 => Self::ClearPending,
            _ => Self::Other,
        }
    }
}

impl Gic {
    /// The level of an interrupt's line.
    pub fn set_line(&mut self, interrupt: u32, high: bool) {
        let bit = bit(interrupt);
        if high && self.lines & bit == 0 && self.edges & bit != 0 {
            self.pending |= bit;
        }
        self.lines = self.lines & !bit | if high { bit } else { 0 };
    }

    /// An interrupt comes once.
    pub fn raise(&mut self, interrupt: u32) {
        self.pending |= bit(interrupt);
    }

    /// The guest writes ICC_SGI1R_EL1: software-generated interrupts for the CPUs that it names.
    pub fn generate(&mut self, value: u64) {
        const OTHERS: u64 = 1 << 40;
        if value & OTHERS == 0 && value & 1 != 0 {
            self.raise((value >> 24 & 0xf) as u32);
        }
    }

    /// Whether an interrupt waits that the guest would take, but for its own masks.
    pub fn is_waiting(&self, lists: &[u64]) -> bool {
        let shown = lists.iter().any(|list| list & list::STATE != 0);
        shown || self.ready() != 0
    }

    /// Puts what waits into the free list registers, the most urgent first.
    pub fn offer(&mut self, lists: &mut [u64]) {
        let mut shown = 0;
        for list in &mut *lists {
            let number = (*list & list::NUMBER) as u32;
            let is_obsolete = bit(number) & self.shown_for_lines & !self.lines != 0;
            if *list & list::STATE == list::PENDING && is_obsolete {
                // Its line is low again, and the guest has not taken it.
                *list = 0;
            }
            if *list & list::STATE != 0 {
                shown |= bit(number);
                if self.ready() & self.pending & bit(number) != 0 {
                    // It has come again, perhaps while the guest deals with it.
                    *list |= list::PENDING;
                    self.pending &= !bit(number);
                }
            }
        }
        for list in lists.iter_mut().filter(|list| **list & list::STATE == 0) {
            let Some(next) = self.most_urgent(self.ready() & !shown) else {
                break;
            };
            let bit = bit(next);
            shown |= bit;
            self.shown_for_lines = self.shown_for_lines & !bit | bit & !self.pending;
            self.pending &= !bit;
            let priority = u64::from(self.priorities[next as usize]) << list::PRIORITY_SHIFT;
            // A level may have to be shown again then.
            let level = if self.shown_for_lines & bit != 0 {
                list::TELL_END
            } else {
                0
            };
            *list = list::PENDING | list::GROUP_1 | priority | level | u64::from(next);
        }
    }

    /// Those that could be shown.
    fn ready(&self) -> u64 {
        if self.control & GROUP_1 == 0 {
            return 0;
        }
        (self.pending | self.lines & !self.edges) & self.enabled
    }

    fn most_urgent(&self, among: u64) -> Option<u32> {
        (0..INTERRUPTS)
            .filter(|interrupt| among & bit(*interrupt) != 0)
            .min_by_key(|interrupt| self.priorities[*interrupt as usize])
    }

    /// The guest reads the distributor.
    pub fn read_distributor(&self, offset: u64, size: u8) -> u64 {
        match offset {
            0x0 => (self.control | FIXED_CONTROL).into(),
            0x4 => KIND.into(),
            0xffe8 => VERSION.into(),
            _ => self.read(offset, size),
        }
    }

    /// The guest writes the distributor.
    pub fn write_distributor(&mut self, offset: u64, size: u8, value: u64) {
        match offset {
            0x0 => self.control = value as u32 & GROUP_1,
            _ => self.write(offset, size, value, !PRIVATE),
        }
    }

    /// The guest reads its redistributor.
    pub fn read_redistributor(&self, offset: u64, size: u8) -> u64 {
        match offset {
            0x8 => LAST.into(),
            0x14 if self.asleep => (SLEEP | ASLEEP).into(),
            0xffe8 => VERSION.into(),
            OWN_INTERRUPTS.. => self.read(offset - OWN_INTERRUPTS, size),
            _ => 0,
        }
    }

    /// The guest writes its redistributor.
    pub fn write_redistributor(&mut self, offset: u64, size: u8, value: u64) {
        match offset {
            0x14 => self.asleep = value as u32 & SLEEP != 0,
            OWN_INTERRUPTS.. => self.write(offset - OWN_INTERRUPTS, size, value, PRIVATE),
            _ => {}
        }
    }

    fn read(&self, offset: u64, size: u8) -> u64 {
        match offset {
            0x80..0x100 => u32::MAX.into(),
            0x100..0x400 => {
                let mask = match Mask::at(offset) {
                    Mask::SetEnable | Mask::ClearEnable => self.enabled,
                    Mask::SetPending | Mask::ClearPending => {
                        self.pending | self.lines & !self.edges
                    }
                    Mask::Other => 0,
                };
                mask.checked_shr(shift(offset)).unwrap_or(0) & PRIVATE
            }
            0x400..0x440 => {
                let first = (offset - 0x400) as usize;
                let bytes = self.priorities.iter().skip(first).take(size.into());
                bytes.rfold(0, |value, byte| value << 8 | u64::from(*byte))
            }
            0xc00..0xc10 => {
                let first = (offset - 0xc00) as u32 / 4 * 16;
                let edge = |number| u64::from(self.edges & bit(first + number) != 0);
                (0..16).map(|number| edge(number) << (number * 2 + 1)).sum()
            }
            _ => 0,
        }
    }

    /// Only the interrupts in `own` are those of the register's frame.
    fn write(&mut self, offset: u64, size: u8, value: u64, own: u64) {
        match offset {
            0x100..0x400 => {
                let mask = (value & PRIVATE).checked_shl(shift(offset)).unwrap_or(0) & own;
                match Mask::at(offset) {
                    Mask::SetEnable => self.enabled |= mask,
                    Mask::ClearEnable => self.enabled &= !mask,
                    Mask::SetPending => self.pending |= mask,
                    Mask::ClearPending => self.pending &= !mask,
                    Mask::Other => {}
                }
            }
            0x400..0x440 => {
                for (index, byte) in (offset - 0x400..)
                    .zip(value.to_le_bytes())
                    .take(size.into())
                {
                    if own & bit(index as u32) != 0
                        && let Some(place) = self.priorities.get_mut(index as usize)
                    {
                        // As many bits as the hardware has.
                        *place = byte & 0xf8;
                    }
                }
            }
            0xc00..0xc10 => {
                let first = (offset - 0xc00) as u32 / 4 * 16;
                for number in 0..16 {
                    let bit = bit(first + number) & own & !SOFTWARE_GENERATED;
                    let is_edge = value >> (number * 2 + 1) & 1 != 0;
                    self.edges = self.edges & !bit | if is_edge { bit } else { 0 };
                }
            }
            _ => {}
        }
    }
}

/// How far the interrupts of a register are from the first.
fn shift(offset: u64) -> u32 {
    (offset & 0x7f) as u32 / 4 * 32
}

/// 0 for an interrupt that does not exist.
fn bit(interrupt: u32) -> u64 {
    1_u64.checked_shl(interrupt).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: u32 = 33;

    fn ready() -> Gic {
        let mut gic = Gic::default();
        gic.write_distributor(0, 4, u64::from(GROUP_1));
        gic.write_distributor(0x104, 4, u64::MAX);
        gic.write_redistributor(OWN_INTERRUPTS + 0x100, 4, u64::MAX);
        gic
    }

    #[test]
    fn a_level_is_shown_until_the_guest_has_ended_it() {
        let (mut gic, mut lists) = (ready(), [0; 4]);
        gic.set_line(LINE, true);
        gic.offer(&mut lists);
        assert_eq!(lists[0] & list::NUMBER, LINE.into());
        assert_eq!(lists[0] & list::STATE, list::PENDING);
        assert_ne!(lists[0] & list::TELL_END, 0);
        // Not twice.
        gic.offer(&mut lists);
        assert_eq!(lists[1..], [0; 3]);
        // Ended with its line still high: once more.
        lists[0] = 0;
        gic.offer(&mut lists);
        assert_eq!(lists[0] & list::STATE, list::PENDING);
        // Not taken, and low: no more.
        gic.set_line(LINE, false);
        gic.offer(&mut lists);
        assert_eq!(lists, [0; 4]);
    }

    #[test]
    fn an_edge_is_shown_once() {
        let (mut gic, mut lists) = (ready(), [0; 4]);
        gic.raise(7);
        gic.offer(&mut lists);
        assert_eq!(lists[0] & list::NUMBER, 7);
        lists[0] = 0;
        gic.offer(&mut lists);
        assert_eq!(lists, [0; 4]);
        assert!(!gic.is_waiting(&lists));
    }

    #[test]
    fn what_came_once_stays_shown_until_the_guest_takes_it() {
        let (mut gic, mut lists) = (ready(), [0; 4]);
        // A timer: of a level, but there is no line.
        gic.raise(27);
        gic.offer(&mut lists);
        let shown = lists;
        gic.offer(&mut lists);
        assert_eq!(lists, shown);
        assert_eq!(lists[0] & list::NUMBER, 27);
    }

    #[test]
    fn what_comes_again_while_the_guest_deals_with_it_is_shown_behind_that() {
        const ACTIVE: u64 = 2 << 62;
        let (mut gic, mut lists) = (ready(), [ACTIVE | 27, 0, 0, 0]);
        gic.raise(27);
        gic.offer(&mut lists);
        assert_eq!(lists, [ACTIVE | list::PENDING | 27, 0, 0, 0]);
    }

    #[test]
    fn the_most_urgent_come_first_and_the_others_wait() {
        let (mut gic, mut lists) = (ready(), [0; 2]);
        for (interrupt, priority) in [(40, 0x80), (41, 0x40), (42, 0x60)] {
            gic.write_distributor(0x400 + interrupt, 1, priority);
            gic.set_line(interrupt as u32, true);
        }
        gic.offer(&mut lists);
        assert_eq!(lists.map(|list| list & list::NUMBER), [41, 42]);
        assert!(gic.is_waiting(&lists));
    }

    #[test]
    fn what_is_off_is_not_shown() {
        let (mut gic, mut lists) = (ready(), [0; 4]);
        gic.write_distributor(0x184, 4, 1 << (LINE - 32));
        gic.set_line(LINE, true);
        gic.offer(&mut lists);
        assert_eq!(lists, [0; 4]);
        gic.write_distributor(0x104, 4, 1 << (LINE - 32));
        gic.write_distributor(0, 4, 0);
        gic.offer(&mut lists);
        assert_eq!(lists, [0; 4]);
    }

    #[test]
    fn each_frame_has_its_own_interrupts() {
        let mut gic = Gic::default();
        gic.write_distributor(0x100, 4, u64::MAX);
        assert_eq!(gic.read_redistributor(OWN_INTERRUPTS + 0x100, 4), 0);
        gic.write_redistributor(OWN_INTERRUPTS + 0x104, 4, u64::MAX);
        assert_eq!(gic.read_distributor(0x104, 4), 0);
    }

    #[test]
    fn no_access_panics() {
        let mut gic = ready();
        for offset in 0..REDISTRIBUTOR_SIZE {
            for size in [1, 2, 4, 8] {
                gic.write_distributor(offset, size, u64::MAX);
                gic.write_redistributor(offset, size, u64::MAX);
                gic.read_distributor(offset, size);
                gic.read_redistributor(offset, size);
            }
        }
        gic.generate(u64::MAX);
        gic.set_line(u32::MAX, true);
        gic.raise(u32::MAX);
        let mut lists = [u64::MAX; 4];
        gic.offer(&mut lists);
    }
}
