//! Reads ELF programs, for everyone who loads one: bootstrap, moe, ned, and the build tool on the
//! host.
//!
//! The file is untrusted. [`Elf::parse`] checks all program headers once; after that, every segment
//! lies inside the file, ends below 2^64 in memory and overlaps no other. Nothing here panics or
//! touches memory other than the slices it is given: where a program goes, and how its pages get
//! there, is the caller's business.
//!
//! * [`elf`]: the file and its program headers.
//! * [`segment`]: the load segments and their access rights, write-xor-execute included.
//! * [`placement`]: how they get into a task, page by page (feature `tasks`).
//! * [`relocation`]: moving a position-independent program (`R_*_RELATIVE`).
//! * `auxiliary`: what a program asks of its L4Re loader (`abi/08` §8; feature `foreign`).
//! * [`start_block`]: what it finds on its stack (feature `tasks`).
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "fixture"))]
extern crate std;

#[cfg(any(test, feature = "foreign"))]
pub mod auxiliary;
pub mod elf;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
#[cfg(feature = "tasks")]
pub mod placement;
pub mod relocation;
pub mod segment;
#[cfg(feature = "tasks")]
pub mod start_block;

pub use elf::{Elf, Machine, ProgramHeader};
pub use segment::Segment;

use core::fmt;

/// Why a program is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file does not start as an ELF file does, or ends within its header.
    NotElf,
    /// An ELF file, but not a 64-bit little-endian program of a machine that this system runs on.
    Unsupported,
    /// The program header table or this entry of it points outside the file or makes no sense.
    ProgramHeader(usize),
    /// Two load segments cover the same memory.
    Overlap,
    /// No load segment has any memory.
    NothingToLoad,
    /// A load segment is both writable and executable.
    WritableCode,
    /// The dynamic section, or a relocation that it leads to, points outside the program.
    Relocation,
    /// A relocation of a kind that a static position-independent program does not have.
    UnsupportedRelocation(u32),
    /// The auxiliary segment holds a record with a wrong length.
    Auxiliary,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotElf => write!(out, "not an ELF file"),
            Error::Unsupported => write!(
                out,
                "not a 64-bit little-endian program for x86_64 or aarch64"
            ),
            Error::ProgramHeader(index) => write!(out, "bad ELF program header {index}"),
            Error::Overlap => write!(out, "ELF segments overlap"),
            Error::NothingToLoad => write!(out, "ELF file has nothing to load"),
            Error::WritableCode => write!(out, "ELF segment is writable and executable"),
            Error::Relocation => write!(out, "bad ELF relocation"),
            Error::UnsupportedRelocation(kind) => {
                write!(out, "unsupported ELF relocation type {kind}")
            }
            Error::Auxiliary => write!(out, "bad record in the program's L4 auxiliary segment"),
        }
    }
}

impl core::error::Error for Error {}

/// Reads little-endian numbers at untrusted offsets.
fn read<const N: usize>(bytes: &[u8], offset: u64) -> Option<[u8; N]> {
    bytes
        .get(usize::try_from(offset).ok()?..)?
        .first_chunk()
        .copied()
}

fn read_u16(bytes: &[u8], offset: u64) -> Option<u16> {
    read(bytes, offset).map(u16::from_le_bytes)
}

fn read_u32(bytes: &[u8], offset: u64) -> Option<u32> {
    read(bytes, offset).map(u32::from_le_bytes)
}

fn read_u64(bytes: &[u8], offset: u64) -> Option<u64> {
    read(bytes, offset).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
