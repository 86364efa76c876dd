//! The writer: the archive, and the file that firmware loads.
//!
//! The file depends on what loads it, and follows from the bootstrap program's own ELF header:
//!
//! * **x86_64** (`qemu -kernel` by PVH, GRUB by multiboot2) is loaded as an ELF file. Bootstrap's
//!   linker script leaves one empty program header of type null; it becomes a load segment for the
//!   archive, behind bootstrap in memory.
//! * **aarch64** (the Linux `Image` protocol) is a flat copy of memory. Bootstrap starts with the
//!   protocol's header, in which the image size is filled in.

use alloc::{vec, vec::Vec};
use core::fmt;

use l4_loader::{Elf, Machine, ProgramHeader, elf::segment_type};

use crate::{
    Archive, CHECKSUM_OFFSET, ENTRY_SIZE, HEADER_SIZE, MAGIC, MAX_MODULES, Module, PAGE_SIZE,
    VERSION,
};

const PROGRAM_HEADER_SIZE: usize = 56;
const READ: u32 = 4;
/// Bootstrap is some ten pages; this only keeps a strange program from filling memory.
const MAX_BOOTSTRAP_SIZE: u64 = 16 << 20;

/// Why no image can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// More than [`MAX_MODULES`], or larger than the format can say.
    TooLarge,
    /// The bootstrap program is no program at all.
    Elf(l4_loader::Error),
    /// The bootstrap program lacks this.
    Bootstrap(&'static str),
    /// The kernel, or an option of it: the text says what is wrong.
    Kernel(&'static str),
    /// The file holds no archive to replace.
    NotAnImage,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TooLarge => write!(
                out,
                "too many or too large modules (at most {MAX_MODULES} fit)"
            ),
            Error::Elf(error) => write!(out, "bootstrap program: {error}"),
            Error::Bootstrap(what) => write!(out, "bootstrap program has no {what}"),
            Error::Kernel(what) => write!(out, "kernel: {what}"),
            Error::NotAnImage => write!(out, "not a boot image: it holds no module archive"),
        }
    }
}

impl core::error::Error for Error {}

/// Makes the boot image of `modules` with the linked bootstrap program, for the machine that that
/// program is for.
pub fn pack(bootstrap_elf: &[u8], modules: &[Module<'_>]) -> Result<Vec<u8>, Error> {
    let elf = Elf::parse(bootstrap_elf).map_err(Error::Elf)?;
    let mut image = match elf.machine() {
        Machine::X86_64 => bootstrap_elf.to_vec(),
        Machine::Aarch64 => flatten(&elf)?,
    };
    pad(&mut image);
    append(image, modules)
}

/// The modules of an image that [`pack`] made.
pub fn unpack(image: &[u8]) -> Result<Archive<'_>, Error> {
    find(image).map(|(_, archive)| archive)
}

/// The same image with other modules. The bootstrap program stays as it is.
pub fn replace(image: &[u8], modules: &[Module<'_>]) -> Result<Vec<u8>, Error> {
    let (start, _) = find(image)?;
    let mut bootstrap = image[..start].to_vec();
    if is_elf(image) {
        let at = program_header(image, |header| {
            header.kind == segment_type::LOAD && header.offset == start as u64
        })?;
        put(&mut bootstrap, at, &segment_type::NULL.to_le_bytes());
    }
    append(bootstrap, modules)
}

fn find(image: &[u8]) -> Result<(usize, Archive<'_>), Error> {
    let mut starts = (0..image.len()).step_by(PAGE_SIZE);
    starts
        .find_map(|at| Some((at, Archive::parse(&image[at..]).ok()?)))
        .ok_or(Error::NotAnImage)
}

/// Adds the archive to an image that ends where the archive starts, and tells the firmware of it.
fn append(mut image: Vec<u8>, modules: &[Module<'_>]) -> Result<Vec<u8>, Error> {
    let start = image.len();
    image.extend_from_slice(&archive(modules)?);
    if is_elf(&image) {
        describe_segment(&mut image, start)?
    } else {
        describe_image(&mut image)?
    }
    Ok(image)
}

/// Turns the empty program header into a load segment from `start` to the end of the file. In
/// memory it follows bootstrap on the next page.
fn describe_segment(image: &mut [u8], start: usize) -> Result<(), Error> {
    let end = Elf::parse(image)
        .and_then(|elf| elf.physical_range())
        .map_err(Error::Elf)?
        .end;
    let address = end.next_multiple_of(PAGE_SIZE as u64);
    let size = (image.len() - start) as u64;
    let at = program_header(image, |header| header.kind == segment_type::NULL)?;
    put(image, at, &segment_type::LOAD.to_le_bytes());
    put(image, at + 4, &READ.to_le_bytes());
    for (field, value) in [start as u64, address, address, size, size, PAGE_SIZE as u64]
        .into_iter()
        .enumerate()
    {
        put(image, at + 8 + 8 * field, &value.to_le_bytes());
    }
    Ok(())
}

/// Where in the file the first such program header lies.
fn program_header(image: &[u8], wanted: impl Fn(&ProgramHeader) -> bool) -> Result<usize, Error> {
    let elf = Elf::parse(image).map_err(Error::Elf)?;
    let index = elf.program_headers().position(|header| wanted(&header));
    let (table, _) = elf.program_header_table();
    Ok(table as usize
        + PROGRAM_HEADER_SIZE * index.ok_or(Error::Bootstrap("program header for the modules"))?)
}

fn is_elf(image: &[u8]) -> bool {
    image.starts_with(b"\x7fELF")
}

/// The program as it lies in memory.
fn flatten(elf: &Elf<'_>) -> Result<Vec<u8>, Error> {
    let range = elf.physical_range().map_err(Error::Elf)?;
    if range.end - range.start > MAX_BOOTSTRAP_SIZE {
        return Err(Error::TooLarge);
    }
    let mut memory = vec![0; (range.end - range.start) as usize];
    for segment in elf.segments() {
        put(
            &mut memory,
            (segment.physical_address - range.start) as usize,
            segment.data,
        );
    }
    Ok(memory)
}

/// Fills in the image size of the Linux `Image` header (Documentation/arch/arm64/booting).
fn describe_image(image: &mut [u8]) -> Result<(), Error> {
    if image.get(56..60) != Some(b"ARM\x64") {
        return Err(Error::Bootstrap("Image header"));
    }
    let size = image.len() as u64;
    put(image, 16, &size.to_le_bytes());
    Ok(())
}

/// The archive alone.
pub fn archive(modules: &[Module<'_>]) -> Result<Vec<u8>, Error> {
    if modules.len() > MAX_MODULES {
        return Err(Error::TooLarge);
    }
    let mut bytes = vec![0; HEADER_SIZE + ENTRY_SIZE * modules.len()];
    for (index, module) in modules.iter().enumerate() {
        let entry = HEADER_SIZE + ENTRY_SIZE * index;
        let length = u32::try_from(module.command_line.len()).map_err(|_| Error::TooLarge)?;
        put(&mut bytes, entry, &(module.kind as u32).to_le_bytes());
        put(&mut bytes, entry + 4, &length.to_le_bytes());
        let at = bytes.len();
        put_size(&mut bytes, entry + 8, at);
        bytes.extend_from_slice(module.command_line.as_bytes());
    }
    for (index, module) in modules.iter().enumerate() {
        let entry = HEADER_SIZE + ENTRY_SIZE * index;
        pad(&mut bytes);
        let at = bytes.len();
        put_size(&mut bytes, entry + 16, at);
        put_size(&mut bytes, entry + 24, module.data.len());
        bytes.extend_from_slice(module.data);
    }
    pad(&mut bytes);
    put(&mut bytes, 0, &MAGIC.to_le_bytes());
    put(&mut bytes, 8, &VERSION.to_le_bytes());
    put(&mut bytes, 12, &(modules.len() as u32).to_le_bytes());
    let size = bytes.len();
    put_size(&mut bytes, 16, size);
    let checksum = crate::checksum(&bytes);
    put(&mut bytes, CHECKSUM_OFFSET, &checksum.to_le_bytes());
    Ok(bytes)
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(PAGE_SIZE), 0);
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn put_size(bytes: &mut [u8], at: usize, value: usize) {
    put(bytes, at, &(value as u64).to_le_bytes());
}
