//! 32 interrupts of a GIC, and the registers that have a field for each.

use super::{BANK, list};

/// 32 interrupts, a bit each.
#[derive(Default)]
pub(super) struct Bank {
    enabled: u32,
    /// They have come, and are not shown yet.
    pub(super) pending: u32,
    /// Lines that are high now.
    pub(super) lines: u32,
    /// They are shown because their line was high, and for no other reason.
    shown_for_lines: u32,
    /// Come by edges, not levels.
    pub(super) edges: u32,
    pub(super) priorities: [u8; BANK],
}

impl Bank {
    /// Of these interrupts some come by edges.
    pub(super) fn new(edges: u32) -> Self {
        Self {
            edges,
            ..Self::default()
        }
    }

    /// Those that could be shown.
    pub(super) fn ready(&self) -> u32 {
        (self.pending | self.lines & !self.edges) & self.enabled
    }

    /// The list register that shows an interrupt.
    pub(super) fn show(&mut self, interrupt: u32) -> u64 {
        let index = interrupt % BANK as u32;
        let bit = 1 << index;
        self.shown_for_lines = self.shown_for_lines & !bit | bit & !self.pending;
        self.pending &= !bit;
        let priority = u64::from(self.priorities[index as usize]) << list::PRIORITY_SHIFT;
        // A level may have to be shown again then.
        let level = if self.shown_for_lines & bit != 0 {
            list::TELL_END
        } else {
            0
        };
        list::PENDING | list::GROUP_1 | priority | level | u64::from(interrupt)
    }

    /// What becomes of the list register that shows the interrupt with this bit: 0 if it is free.
    pub(super) fn update(&mut self, bit: u32, list: u64) -> u64 {
        let is_obsolete = bit & self.shown_for_lines & !self.lines != 0;
        match list & list::STATE {
            // An end that was told would be told again and again.
            0 => 0,
            // Its line is low again, and the guest has not taken it.
            list::PENDING if is_obsolete => 0,
            // It has come again, perhaps while the guest deals with it.
            _ if self.pending & self.enabled & bit != 0 => {
                self.pending &= !bit;
                list | list::PENDING
            }
            _ => list,
        }
    }

    /// The interrupt with this bit has been shown, but not taken. For a level, its line says the same.
    pub(super) fn take_back(&mut self, bit: u32) {
        self.pending |= bit & !self.shown_for_lines;
    }

    /// Reads a register of a frame in which these interrupts have the `word`th of 32 bits.
    pub(super) fn read(&self, offset: u64, size: u8, word: u64) -> u64 {
        match offset {
            0x80..0x400 if offset % 0x80 == 4 * word => match offset & !0x7f {
                // All are of group 1.
                0x80 => u32::MAX,
                0x100 | 0x180 => self.enabled,
                0x200 | 0x280 => self.pending | self.lines & !self.edges,
                // What is active the hardware knows.
                _ => 0,
            }
            .into(),
            0x400..0x800 => {
                let first = (offset - 0x400).wrapping_sub(32 * word) as usize;
                let bytes = self.priorities.iter().skip(first).take(size.into());
                bytes.rfold(0, |value, byte| value << 8 | u64::from(*byte))
            }
            0xc00..0xd00 => match (offset - 0xc00).wrapping_sub(8 * word) / 4 {
                half @ 0..2 => {
                    let edges = self.edges >> (16 * half);
                    let edge = |number: u32| u64::from(edges >> number & 1);
                    (0..16).map(|number| edge(number) << (number * 2 + 1)).sum()
                }
                _ => 0,
            },
            _ => 0,
        }
    }

    /// Writes such a register.
    pub(super) fn write(&mut self, offset: u64, size: u8, value: u64, word: u64) {
        let mask = value as u32;
        match offset {
            0x80..0x400 if offset % 0x80 == 4 * word => match offset & !0x7f {
                0x100 => self.enabled |= mask,
                0x180 => self.enabled &= !mask,
                0x200 => self.pending |= mask,
                0x280 => self.pending &= !mask,
                _ => {}
            },
            0x400..0x800 => {
                let first = (offset - 0x400).wrapping_sub(32 * word) as usize;
                let places = self.priorities.iter_mut().skip(first).take(size.into());
                for (place, byte) in places.zip(value.to_le_bytes()) {
                    // As many bits as the hardware has.
                    *place = byte & 0xf8;
                }
            }
            0xc00..0xd00 => {
                if let half @ 0..2 = (offset - 0xc00).wrapping_sub(8 * word) / 4 {
                    for number in 0..16 {
                        let bit = 1 << (16 * half + number);
                        let is_edge = mask >> (number * 2 + 1) & 1 != 0;
                        self.edges = self.edges & !bit | if is_edge { bit } else { 0 };
                    }
                }
            }
            _ => {}
        }
    }
}
