//! The boot image: bootstrap and its modules in one file.
//!
//! An image is the bootstrap program followed, on the next page boundary of memory, by an *archive*
//! of modules: the kernel, sigma0, the root task and whatever else the root task is to find. This
//! crate is the archive's format. The reader (here) serves bootstrap; it trusts nothing and never
//! panics. The writer (feature `write`) serves the build tool and makes the whole file.
//!
//! Layout, little endian, every offset counted from the archive's first byte:
//!
//! | Part    | Contents                                                                       |
//! |---------|--------------------------------------------------------------------------------|
//! | header  | u64 magic, u32 version, u32 number of modules, u64 archive size, u64 checksum  |
//! | entries | per module: u32 kind, u32 command line length, u64 offset; u64 data offset, size |
//! | strings | the command lines                                                              |
//! | data    | each module on a page boundary, zero padded to the next                        |
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "write"))]
extern crate alloc;

#[cfg(any(test, feature = "write"))]
pub mod options;
mod read;
#[cfg(any(test, feature = "write"))]
pub mod write;

pub use l4_abi::boot::ModuleKind as Kind;
pub use read::{Archive, Error};

/// Modules start on multiples of this, so that they can be handed to user programs page by page.
pub const PAGE_SIZE: usize = 4096;

/// `BRIOBOOT` in ASCII.
const MAGIC: u64 = u64::from_le_bytes(*b"BRIOBOOT");
const VERSION: u32 = 1;
const HEADER_SIZE: usize = 32;
const ENTRY_SIZE: usize = 32;
const CHECKSUM_OFFSET: usize = 24;

/// More modules than any system has; bounds the tables of who reads them.
pub const MAX_MODULES: usize = 256;

/// One module of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module<'a> {
    /// What it is for.
    pub kind: Kind,
    /// Its name as the first word, then its arguments.
    pub command_line: &'a str,
    /// The file's contents.
    pub data: &'a [u8],
}

impl<'a> Module<'a> {
    /// The first word of the command line.
    pub fn name(&self) -> &'a str {
        self.arguments().next().unwrap_or("")
    }

    /// The words of the command line, the name included.
    pub fn arguments(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.command_line.split_ascii_whitespace()
    }
}

/// FNV-1a over 64-bit words, the checksum field left out. It finds truncation and damage in
/// transport; it is no defence against someone who can write the image, since that someone could as
/// well replace the kernel.
fn checksum(archive: &[u8]) -> u64 {
    let words = archive.as_chunks::<8>().0.iter().enumerate();
    words
        .filter(|&(index, _)| index != CHECKSUM_OFFSET / 8)
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, (_, word)| {
            (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests;
