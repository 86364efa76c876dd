//! Programs made by hand, for the tests of this crate and of those who load programs with it.

use std::{vec, vec::Vec};

use crate::Machine;

/// Fixed addresses, or position independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// `ET_EXEC`.
    Executable = 2,
    /// `ET_DYN`.
    PositionIndependent = 3,
}

/// One program header and its contents.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// `p_type`.
    pub kind: u32,
    /// Access rights.
    pub flags: u32,
    /// Virtual and physical address.
    pub address: u64,
    /// Size in memory.
    pub memory_size: u64,
    /// What the file gives.
    pub contents: &'a [u8],
}

/// An ELF file of these parts.
pub fn program(kind: Kind, machine: Machine, entry: u64, parts: &[Part<'_>]) -> Vec<u8> {
    let machine: u16 = match machine {
        Machine::X86_64 => 62,
        Machine::Aarch64 => 183,
    };
    let mut file = vec![0; 64 + 56 * parts.len()];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    for (at, value) in [
        (16, kind as u16),
        (18, machine),
        (54, 56),
        (56, parts.len() as u16),
    ] {
        file[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    file[24..32].copy_from_slice(&entry.to_le_bytes());
    file[32..40].copy_from_slice(&64u64.to_le_bytes());
    for (index, part) in parts.iter().enumerate() {
        let at = 64 + 56 * index;
        let size = part.contents.len() as u64;
        let fields = [
            u64::from(part.kind) | u64::from(part.flags) << 32,
            file.len() as u64,
            part.address,
            part.address,
            size,
            part.memory_size,
            4096,
        ];
        file[at..at + 56].copy_from_slice(&words(&fields));
        file.extend_from_slice(part.contents);
    }
    file
}

/// Words as bytes.
pub fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
