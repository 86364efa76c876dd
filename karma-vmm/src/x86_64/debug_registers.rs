//! Debug registers of a guest. The kernel lets no guest touch DR0 to DR3, and an exit for them under SVM does not
//! say which general register it is about; so this is the one instruction whose bytes the monitor looks at.
//! Under VMX all of them are here. Breakpoints in them have no effect.

use l4_memory::Memory;

/// The registers.
#[derive(Debug)]
pub struct DebugRegisters([u64; 8]);

const STATUS: usize = 6;

impl Default for DebugRegisters {
    fn default() -> Self {
        // As after a reset.
        Self([0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400])
    }
}

/// A move between a general register and DR0 to DR3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The general register.
    pub register: usize,
    /// Bytes of the instruction.
    pub length: u64,
}

impl DebugRegisters {
    /// One of them; what is none reads as zeros.
    pub fn get(&self, number: usize) -> u64 {
        self.0.get(number).copied().unwrap_or(0)
    }

    /// A debug exception has these reasons.
    pub fn note(&mut self, reasons: u64) {
        self.0[STATUS] |= reasons;
    }

    /// Sets one of them.
    pub fn set(&mut self, number: usize, value: u64) {
        if let Some(register) = self.0.get_mut(number) {
            *register = value;
        }
    }
}

/// The move at a virtual address of a guest in long mode, whose page table begins at `root`.
pub fn decode(memory: &impl Memory, root: u64, address: u64) -> Option<Move> {
    let byte = |offset: u64| -> Option<u8> {
        let physical = translate(memory, root, address.wrapping_add(offset))?;
        let mut byte = [0];
        memory.read(physical, &mut byte).ok()?;
        Some(byte[0])
    };
    let first = byte(0)?;
    let (extension, start) = match first {
        0x40..=0x4f => (usize::from(first & 1) * 8, 1),
        _ => (0, 0),
    };
    if byte(start)? != 0x0f || !matches!(byte(start + 1)?, 0x21 | 0x23) {
        return None;
    }
    let operands = byte(start + 2)?;
    Some(Move {
        register: extension + usize::from(operands & 7),
        length: start + 3,
    })
}

/// Walks page tables of four levels.
fn translate(memory: &impl Memory, root: u64, address: u64) -> Option<u64> {
    const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
    const PRESENT: u64 = 1;
    const LARGE: u64 = 1 << 7;
    let mut table = root & ADDRESS;
    for shift in [39, 30, 21, 12] {
        let mut entry = [0; 8];
        memory
            .read(table + (address >> shift & 0x1ff) * 8, &mut entry)
            .ok()?;
        let entry = u64::from_le_bytes(entry);
        if entry & PRESENT == 0 {
            return None;
        }
        let is_page = shift == 12 || shift < 39 && entry & LARGE != 0;
        if is_page {
            let inside = (1 << shift) - 1;
            return Some(entry & ADDRESS & !inside | address & inside);
        }
        table = entry & ADDRESS;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use l4_virtio::fixture::Ram;

    const CODE: u64 = 0xffff_ffff_8100_0000;

    /// Memory in which the code's page is at 0x5000, by tables from 0x1000 on.
    fn memory(code: &[u8]) -> Ram {
        let memory = Ram::new(0x6000);
        let entry = |table: u64, shift: u64, next: u64| {
            let place = table + (CODE >> shift & 0x1ff) * 8;
            memory.write(place, &(next | 1).to_le_bytes()).unwrap();
        };
        entry(0x1000, 39, 0x2000);
        entry(0x2000, 30, 0x3000);
        entry(0x3000, 21, 0x4000);
        entry(0x4000, 12, 0x5000);
        memory.write(0x5000, code).unwrap();
        memory
    }

    #[test]
    fn moves_are_understood_with_and_without_prefix() {
        let decoded = |code: &[u8]| decode(&memory(code), 0x1000, CODE);
        let plain = Move {
            register: 7,
            length: 3,
        };
        // mov dr0, rdi; mov rdi, dr3
        assert_eq!(decoded(&[0x0f, 0x23, 0xc7]), Some(plain));
        assert_eq!(decoded(&[0x0f, 0x21, 0xdf]), Some(plain));
        let extended = Move {
            register: 9,
            length: 4,
        };
        // mov dr1, r9
        assert_eq!(decoded(&[0x41, 0x0f, 0x23, 0xc9]), Some(extended));
    }

    #[test]
    fn reasons_of_exceptions_gather_in_the_status() {
        let mut registers = DebugRegisters::default();
        assert_eq!((registers.get(6), registers.get(7)), (0xffff_0ff0, 0x400));
        registers.note(1 << 14);
        registers.note(1);
        assert_eq!(registers.get(6), 0xffff_4ff1);
        registers.set(6, 0);
        assert_eq!((registers.get(6), registers.get(0)), (0, 0));
    }

    #[test]
    fn nothing_else_is() {
        assert_eq!(decode(&memory(&[0x0f, 0x22, 0xc0]), 0x1000, CODE), None);
        assert_eq!(decode(&memory(&[0x90]), 0x1000, CODE), None);
        let there = memory(&[0x0f, 0x23, 0xc7]);
        assert_eq!(decode(&there, 0x1000, CODE + 0x1000), None, "no page");
        assert_eq!(decode(&there, u64::MAX, CODE), None, "no table");
        assert_eq!(decode(&there, 0x1000, CODE - 1), None);
    }
}
