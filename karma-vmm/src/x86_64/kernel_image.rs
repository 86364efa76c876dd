//! Loads Linux: a bzImage, entered by its 64-bit boot protocol (Documentation/x86/boot.rst).
//!
//! The guest's memory afterwards:
//!
//! | address | what |
//! |---|---|
//! | 0x1000 | GDT |
//! | 0x2000 | page tables that map the first 4 GiB to themselves |
//! | 0x8000 | boot parameters ("zero page") |
//! | 0x9000 | command line |
//! | 0xa0000 | zeros, where a PC has its graphics and its BIOS, up to 1 MiB |
//! | as the image prefers | the kernel |
//! | at the end | the initial RAM disk |

use crate::file::File;
use core::fmt;
use l4_memory::{Inaccessible, Memory};

const GDT: u64 = 0x1000;
const PAGE_TABLES: u64 = 0x2000;
const PARAMETERS: u64 = 0x8000;
const COMMAND_LINE: u64 = 0x9000;
/// Bytes for the command line, with the 0 at its end.
const COMMAND_LINE_BYTES: usize = 0x1000;
/// What a PC has no memory at.
const HOLE: core::ops::Range<u64> = 0x9_f000..0x10_0000;
const PAGE: u64 = 0x1000;
/// A guest has no more memory: above it a PC has its devices.
pub const MEMORY_MAX: u64 = 3 << 30;

/// What the selectors at entry stand for: 64-bit code at 0x10, data at 0x18.
const DESCRIPTORS: [u64; 4] = [0, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff];

/// Fields of the header, by their offsets in the image and in the boot parameters alike.
mod header {
    pub(super) const START: usize = 0x1f1;
    pub(super) const SETUP_SECTORS: usize = 0x1f1;
    /// Its length, from the byte behind this one on.
    pub(super) const LENGTH: usize = 0x201;
    pub(super) const MAGIC: usize = 0x202;
    pub(super) const LOADER: usize = 0x210;
    pub(super) const RAM_DISK: usize = 0x218;
    pub(super) const RAM_DISK_SIZE: usize = 0x21c;
    pub(super) const COMMAND_LINE: usize = 0x228;
    pub(super) const RAM_DISK_MAX: usize = 0x22c;
    pub(super) const LOAD_FLAGS: usize = 0x236;
    pub(super) const COMMAND_LINE_SIZE: usize = 0x238;
    pub(super) const PREFERRED_ADDRESS: usize = 0x258;
    pub(super) const MEMORY_NEEDED: usize = 0x260;
}

/// Fields of the boot parameters that are not in the header.
mod parameter {
    pub(super) const RSDP: usize = 0x70;
    pub(super) const MEMORY_ENTRIES: usize = 0x1e8;
    pub(super) const MEMORY_MAP: usize = 0x2d0;
}

/// Bytes at the image's beginning that can be part of the header.
const HEADER_BYTES: usize = 0x400;
/// Its 64-bit entry is this far behind the loaded kernel's start.
const ENTRY: u64 = 0x200;
/// In the load flags: it has such an entry.
const HAS_ENTRY: u16 = 1;

/// What a guest starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// First instruction.
    pub instruction: u64,
    /// For RSI.
    pub parameters: u64,
    /// For CR3.
    pub page_table: u64,
    /// Base of the GDT, and its limit.
    pub gdt: (u64, u16),
}

/// Why a kernel cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// No header, or one that makes no sense.
    NotAKernel,
    /// No 64-bit entry.
    No64BitEntry,
    /// The memory is too small; this is needed.
    Memory(u64),
    /// The memory is larger than it can be.
    MemoryMax,
    /// The command line is too long.
    CommandLine,
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAKernel => formatter.write_str("the kernel is not a bzImage"),
            Self::No64BitEntry => formatter.write_str("the kernel has no 64-bit entry"),
            Self::Memory(needed) => write!(
                formatter,
                "kernel and RAM disk need {} MiB of memory at least",
                needed.div_ceil(1 << 20)
            ),
            Self::MemoryMax => formatter.write_str("a guest can have 3 GiB of memory at most"),
            Self::CommandLine => formatter.write_str("the command line is too long for the kernel"),
        }
    }
}

impl core::error::Error for LoadError {}

/// A file that ends early, or memory that is not there.
impl From<Inaccessible> for LoadError {
    fn from(_: Inaccessible) -> Self {
        Self::NotAKernel
    }
}

/// Loads a kernel into a guest's memory of `size` bytes, which are all zero. `rsdp` is the address of the ACPI
/// tables, or 0.
pub fn load<S: Memory>(
    memory: &impl Memory,
    size: u64,
    kernel: File<'_, S>,
    ram_disk: Option<File<'_, S>>,
    command_line: &str,
    rsdp: u64,
) -> Result<Entry, LoadError> {
    let mut image = [0; HEADER_BYTES];
    kernel.content.read(0, &mut image)?;
    if image[header::MAGIC..][..4] != *b"HdrS" {
        return Err(LoadError::NotAKernel);
    }
    if word::<2>(&image, header::LOAD_FLAGS) as u16 & HAS_ENTRY == 0 {
        return Err(LoadError::No64BitEntry);
    }
    if size > MEMORY_MAX {
        return Err(LoadError::MemoryMax);
    }
    let start = word::<8>(&image, header::PREFERRED_ADDRESS);
    let end = start.saturating_add(word::<4>(&image, header::MEMORY_NEEDED));
    // 0 stands for 4.
    let sectors = match image[header::SETUP_SECTORS] {
        0 => 4,
        sectors => u64::from(sectors),
    };
    let offset = (sectors + 1) * 512;
    let length = kernel
        .size
        .checked_sub(offset)
        .ok_or(LoadError::NotAKernel)?;
    let ram_disk_size = ram_disk.as_ref().map_or(0, |file| file.size);
    let needed = end.max(start.saturating_add(length));
    let needed = needed.saturating_add(ram_disk_size).saturating_add(PAGE);
    if start < HOLE.end || needed > size {
        return Err(LoadError::Memory(needed));
    }
    kernel.copy(offset, memory, start)?;

    let highest = word::<4>(&image, header::RAM_DISK_MAX).saturating_add(1);
    let ram_disk_start = (size.min(highest) - ram_disk_size) & !(PAGE - 1);
    if ram_disk_size > 0 && ram_disk_start < end {
        return Err(LoadError::Memory(needed));
    }
    if let Some(file) = ram_disk {
        file.copy(0, memory, ram_disk_start)?;
    }

    let longest = word::<4>(&image, header::COMMAND_LINE_SIZE) as usize;
    if command_line.len() > longest.min(COMMAND_LINE_BYTES - 1) {
        return Err(LoadError::CommandLine);
    }
    memory.write(COMMAND_LINE, command_line.as_bytes())?;

    let header_end = (header::MAGIC + usize::from(image[header::LENGTH])).min(HEADER_BYTES);
    let mut parameters = [0; PAGE as usize];
    parameters[header::START..header_end].copy_from_slice(&image[header::START..header_end]);
    parameters[header::LOADER] = 0xff;
    let mut put = |offset: usize, bytes: &[u8]| {
        parameters[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(header::RAM_DISK, &(ram_disk_start as u32).to_le_bytes());
    put(header::RAM_DISK_SIZE, &(ram_disk_size as u32).to_le_bytes());
    put(header::COMMAND_LINE, &(COMMAND_LINE as u32).to_le_bytes());
    put(parameter::RSDP, &rsdp.to_le_bytes());
    const USABLE: u32 = 1;
    const RESERVED: u32 = 2;
    let map = [
        (PAGE, HOLE.start, USABLE),
        (HOLE.start, HOLE.end, RESERVED),
        (HOLE.end, size, USABLE),
    ];
    put(parameter::MEMORY_ENTRIES, &[map.len() as u8]);
    for (index, (start, end, kind)) in map.into_iter().enumerate() {
        let entry = parameter::MEMORY_MAP + 20 * index;
        put(entry, &start.to_le_bytes());
        put(entry + 8, &(end - start).to_le_bytes());
        put(entry + 16, &kind.to_le_bytes());
    }
    memory.write(PARAMETERS, &parameters)?;
    write_tables(memory)?;
    Ok(Entry {
        instruction: start + ENTRY,
        parameters: PARAMETERS,
        page_table: PAGE_TABLES,
        gdt: (GDT, (size_of_val(&DESCRIPTORS) - 1) as u16),
    })
}

/// The GDT, and page tables of three levels with pages of 2 MiB.
fn write_tables(memory: &impl Memory) -> Result<(), Inaccessible> {
    const PRESENT_WRITABLE: u64 = 0b11;
    const LARGE: u64 = 1 << 7;
    let write = |address: u64, word: u64| memory.write(address, &word.to_le_bytes());
    for (index, descriptor) in (0..).zip(DESCRIPTORS) {
        write(GDT + 8 * index, descriptor)?;
    }
    let second = PAGE_TABLES + PAGE;
    write(PAGE_TABLES, second | PRESENT_WRITABLE)?;
    for gigabyte in 0..4 {
        let third = second + PAGE * (gigabyte + 1);
        write(second + 8 * gigabyte, third | PRESENT_WRITABLE)?;
        for entry in 0..512 {
            let page = gigabyte << 30 | entry << 21;
            write(third + 8 * entry, page | LARGE | PRESENT_WRITABLE)?;
        }
    }
    Ok(())
}

/// A little-endian number of `N` bytes.
fn word<const N: usize>(bytes: &[u8], offset: usize) -> u64 {
    let mut word = [0; 8];
    word[..N].copy_from_slice(&bytes[offset..offset + N]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use l4_virtio::fixture::Ram;

    const SIZE: u64 = 32 << 20;

    /// An image of three sectors of set-up code and `body`.
    fn image(body: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 2048];
        let mut put = |offset: usize, bytes: &[u8]| {
            image[offset..offset + bytes.len()].copy_from_slice(bytes);
        };
        put(header::SETUP_SECTORS, &[3]);
        put(header::LENGTH, &[0x66]);
        put(header::MAGIC, b"HdrS");
        put(header::RAM_DISK_MAX, &0x7fff_ffffu32.to_le_bytes());
        put(header::LOAD_FLAGS, &[1]);
        put(header::COMMAND_LINE_SIZE, &2047u32.to_le_bytes());
        put(header::PREFERRED_ADDRESS, &0x100_0000u64.to_le_bytes());
        put(header::MEMORY_NEEDED, &0x10_0000u32.to_le_bytes());
        image.extend_from_slice(body);
        image
    }

    fn try_load(
        image: Vec<u8>,
        disk: Option<Vec<u8>>,
        size: u64,
        line: &str,
    ) -> Result<(Ram, Entry), LoadError> {
        let memory = Ram::new(size as usize);
        let ram = |bytes: Vec<u8>| (bytes.len() as u64, Ram::with(bytes));
        let (size_of_kernel, kernel) = ram(image);
        let disk = disk.map(ram);
        let disk = disk.as_ref().map(|(size, content)| File {
            content,
            size: *size,
        });
        let kernel = File {
            content: &kernel,
            size: size_of_kernel,
        };
        load(&memory, size, kernel, disk, line, 0xe0000).map(|entry| (memory, entry))
    }

    fn bytes<const N: usize>(memory: &Ram, address: u64) -> [u8; N] {
        let mut bytes = [0; N];
        memory.read(address, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn kernel_disk_and_command_line_are_where_the_parameters_say() {
        let body = [0x90; 5000];
        let disk = vec![0xdd; 10_000];
        let (memory, entry) = try_load(image(&body), Some(disk), SIZE, "console=ttyS0").unwrap();
        assert_eq!(entry.instruction, 0x100_0200);
        assert_eq!(bytes::<5000>(&memory, 0x100_0000), body);
        let parameters: [u8; 4096] = bytes(&memory, entry.parameters);
        let start = word::<4>(&parameters, header::RAM_DISK);
        assert_eq!(start % PAGE, 0);
        assert_eq!(word::<4>(&parameters, header::RAM_DISK_SIZE), 10_000);
        assert_eq!(bytes::<10_000>(&memory, start), [0xdd; 10_000]);
        let line = word::<4>(&parameters, header::COMMAND_LINE);
        assert_eq!(&bytes::<14>(&memory, line), b"console=ttyS0\0");
        assert_eq!(&parameters[header::MAGIC..][..4], b"HdrS");
        assert_eq!(word::<8>(&parameters, parameter::RSDP), 0xe0000);
    }

    #[test]
    fn the_memory_map_has_all_memory_but_the_hole() {
        let (memory, entry) = try_load(image(&[]), None, SIZE, "").unwrap();
        let parameters: [u8; 4096] = bytes(&memory, entry.parameters);
        let entries = (0..usize::from(parameters[parameter::MEMORY_ENTRIES])).map(|index| {
            let at = parameter::MEMORY_MAP + 20 * index;
            (
                word::<8>(&parameters, at),
                word::<8>(&parameters, at + 8),
                word::<4>(&parameters, at + 16),
            )
        });
        let expected = [
            (0x1000, 0x9e000, 1),
            (0x9f000, 0x61000, 2),
            (0x100000, SIZE - 0x100000, 1),
        ];
        assert!(entries.eq(expected));
    }

    #[test]
    fn page_tables_map_every_address_to_itself() {
        let (memory, entry) = try_load(image(&[]), None, SIZE, "").unwrap();
        let read = |address| u64::from_le_bytes(bytes(&memory, address));
        for address in [0, 0x1234_5678, 0xffff_ffff] {
            let second = read(entry.page_table) & !0xfff;
            let third = read(second + 8 * (address >> 30)) & !0xfff;
            let page = read(third + 8 * (address >> 21 & 511));
            assert_eq!(page & !0x1f_ffff, address & !0x1f_ffff);
            assert_eq!(page & 0x83, 0x83);
        }
    }

    #[test]
    fn what_cannot_be_loaded_is_said() {
        let good = image(&[0; 100]);
        let changed = |offset: usize, bytes: &[u8]| {
            let mut image = good.clone();
            image[offset..offset + bytes.len()].copy_from_slice(bytes);
            try_load(image, None, SIZE, "").err()
        };
        assert_eq!(changed(header::MAGIC, b"None"), Some(LoadError::NotAKernel));
        assert_eq!(
            changed(header::LOAD_FLAGS, &[0]),
            Some(LoadError::No64BitEntry)
        );
        assert_eq!(
            changed(header::SETUP_SECTORS, &[200]),
            Some(LoadError::NotAKernel),
            "cut short"
        );
        assert!(matches!(
            changed(header::PREFERRED_ADDRESS, &[0; 8]),
            Some(LoadError::Memory(_))
        ));
        assert!(matches!(
            changed(header::PREFERRED_ADDRESS, &[0xff; 8]),
            Some(LoadError::Memory(_))
        ));
        assert!(matches!(
            changed(header::MEMORY_NEEDED, &[0xff; 4]),
            Some(LoadError::Memory(_))
        ));
        assert_eq!(changed(header::RAM_DISK_MAX, &[0; 4]), None, "no disk");
        assert_eq!(
            try_load(vec![], None, SIZE, "").err(),
            Some(LoadError::NotAKernel)
        );
        assert_eq!(
            try_load(good.clone(), None, SIZE, &"x".repeat(2048)).err(),
            Some(LoadError::CommandLine)
        );
        let disk = Some(vec![0; 15 << 20]);
        assert!(matches!(
            try_load(good, disk, SIZE, "").err(),
            Some(LoadError::Memory(_))
        ));
    }
}
