//! DR0 to DR3 of a guest. The kernel lets no guest touch them, and an exit for them does not say which
//! register it is about; so this is the one instruction whose bytes the monitor looks at. Breakpoints in them
//! have no effect.

use l4_abi::exception::ExceptionFrame;
use l4_virtio::memory::Memory;

/// The registers.
#[derive(Debug, Default)]
pub(super) struct DebugRegisters([u64; 4]);

/// A move between a general register and DR0 to DR3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    /// The general register.
    pub(super) register: usize,
    /// Bytes of the instruction.
    pub(super) length: u64,
}

impl DebugRegisters {
    /// One of them; the others read as zeros.
    pub(super) fn get(&self, number: usize) -> u64 {
        self.0.get(number).copied().unwrap_or(0)
    }

    /// Sets one of them.
    pub(super) fn set(&mut self, number: usize, value: u64) {
        if let Some(register) = self.0.get_mut(number) {
            *register = value;
        }
    }
}

/// The move at a virtual address of a guest in long mode, whose page table begins at `root`.
pub(super) fn decode(memory: &impl Memory, root: u64, address: u64) -> Option<Move> {
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

/// The place of a general register, but for RAX (0) and RSP (4), which are elsewhere.
pub(super) fn general_register(frame: &mut ExceptionFrame, number: usize) -> Option<&mut u64> {
    Some(match number {
        1 => &mut frame.rcx,
        2 => &mut frame.rdx,
        3 => &mut frame.rbx,
        5 => &mut frame.rbp,
        6 => &mut frame.rsi,
        7 => &mut frame.rdi,
        8 => &mut frame.r8,
        9 => &mut frame.r9,
        10 => &mut frame.r10,
        11 => &mut frame.r11,
        12 => &mut frame.r12,
        13 => &mut frame.r13,
        14 => &mut frame.r14,
        15 => &mut frame.r15,
        _ => return None,
    })
}
