//! Boot images as L4Re makes them: its own bootstrap with the modules inside, whatever file format is
//! around that (ELF, ELF in ELF, raw).
//!
//! A table of modules lies somewhere in the image. All its references are relative, so it can be read
//! and changed without knowing where the image will be in memory:
//!
//! | part   | contents                                                                                  |
//! |--------|-------------------------------------------------------------------------------------------|
//! | header | 32 bytes of magic, u32 number of modules, u32 flags, u64 command line, u64 first module    |
//! | module | 32 bytes of magic, u64 flags (low 3 bits: kind), u64 start, u32 size, u32 size when        |
//! |        | uncompressed, five u64 more. Start counts from this record; the next record follows        |
//!
//! Contents start on page boundaries.

use crate::failure::{Result, fail};
use l4_loader::{Elf, Machine};
use std::ops::Range;

const HEADER_MAGIC: &[u8; 32] = b"<< L4Re-bootstrap-modinfo-hdr >>";
const MODULE_MAGIC: &[u8; 32] = b"<< L4Re-bootstrap-modinfo-mod >>";
const MODULE_SIZE: usize = 96;
/// Offsets in the header.
const COUNT: usize = 32;
const FIRST: usize = 48;
/// Offsets in a module's record.
const FLAGS: usize = 32;
const START: usize = 40;
const SIZE: usize = 48;
const UNCOMPRESSED_SIZE: usize = 52;

const KIND_MASK: u64 = 7;
const KERNEL: u64 = 1;
const PAGE: usize = 4096;
/// More modules than any image has.
const MODULES_MAX: usize = 1024;

/// One module's record.
struct Module {
    /// Where the record lies in the image.
    record: usize,
    kind: u64,
    /// Where the contents lie in the image.
    contents: Range<usize>,
}

/// Puts another kernel in the place of the image's own. Nothing else moves, so it must not be larger.
pub fn swap_kernel(image: &mut [u8], kernel: &[u8]) -> Result<()> {
    let Some(modules) = modules(image) else {
        fail!("it has no table of modules as L4Re's images have one");
    };
    let Some(old) = modules.iter().find(|module| module.kind == KERNEL) else {
        fail!("there is no kernel among its {} modules", modules.len());
    };
    if let (Some(ours), Some(theirs)) = (machine(kernel), machine(&image[old.contents.clone()]))
        && ours != theirs
    {
        fail!("its kernel is for another architecture");
    }
    // Up to the next module's first page everything is the kernel's.
    let start = old.contents.start;
    let starts = modules.iter().map(|module| module.contents.start);
    let next = starts.filter(|&other| other > start).min();
    let pages = old.contents.len().next_multiple_of(PAGE);
    let room = next
        .map_or(pages, |next| next - start)
        .min(image.len() - start);
    if kernel.len() > room {
        fail!(
            "there is room for a kernel of {room} bytes, ours has {}; make the image with a larger \
             kernel, not compressed",
            kernel.len()
        );
    }
    let size = (kernel.len() as u32).to_le_bytes();
    for field in [SIZE, UNCOMPRESSED_SIZE] {
        image[old.record + field..][..4].copy_from_slice(&size);
    }
    let place = &mut image[start..start + room];
    place.fill(0);
    place[..kernel.len()].copy_from_slice(kernel);
    Ok(())
}

/// What an ELF file is for.
fn machine(file: &[u8]) -> Option<Machine> {
    Elf::parse(file).ok().map(|elf| elf.machine())
}

/// The modules of an image. Its code also has the magic text, so the first table that makes sense counts.
fn modules(image: &[u8]) -> Option<Vec<Module>> {
    let is_header = |window: &[u8]| window == HEADER_MAGIC;
    let headers = image.windows(HEADER_MAGIC.len()).enumerate();
    headers
        .filter(|(_, window)| is_header(window))
        .find_map(|(header, _)| table(image, header))
}

/// The table whose header lies at `header`; nothing if it makes no sense.
fn table(image: &[u8], header: usize) -> Option<Vec<Module>> {
    let count = word::<4>(image, header + COUNT)? as usize;
    let first = relative(header, word::<8>(image, header + FIRST)?);
    if !(1..=MODULES_MAX).contains(&count) {
        return None;
    }
    let records = (0..count).map(|index| first.checked_add(index * MODULE_SIZE));
    records.map(|record| module(image, record?)).collect()
}

fn module(image: &[u8], record: usize) -> Option<Module> {
    if image.get(record..record.checked_add(MODULE_MAGIC.len())?)? != MODULE_MAGIC {
        return None;
    }
    let start = relative(record, word::<8>(image, record + START)?);
    let size = word::<4>(image, record + SIZE)? as usize;
    let contents = start..start.checked_add(size)?;
    image.get(contents.clone())?;
    Some(Module {
        record,
        kind: word::<8>(image, record + FLAGS)? & KIND_MASK,
        contents,
    })
}

/// References may point backwards.
fn relative(from: usize, offset: u64) -> usize {
    from.wrapping_add(offset as usize)
}

/// A little-endian number of `N` bytes.
fn word<const N: usize>(image: &[u8], at: usize) -> Option<u64> {
    let bytes = image.get(at..at.checked_add(N)?)?;
    let mut word = [0; 8];
    word[..N].copy_from_slice(bytes);
    Some(u64::from_le_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: usize = 0x1234;
    const RECORDS: usize = TABLE + 56;
    const KERNEL_START: usize = 0x3000;
    const OTHER_START: usize = 0x5000;

    fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
        image[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// An image with `sigma0` and a kernel of 5000 bytes before it, and the magic text in its code.
    fn image() -> Vec<u8> {
        let mut image = vec![0xaa; 0x7000];
        put(&mut image, 0x100, HEADER_MAGIC);
        put(&mut image, TABLE, HEADER_MAGIC);
        put(&mut image, TABLE + COUNT, &2u32.to_le_bytes());
        put(&mut image, TABLE + FIRST, &56u64.to_le_bytes());
        for (index, kind, start, size) in [(0, 2u64, OTHER_START, 10), (1, 1, KERNEL_START, 5000)] {
            let record = RECORDS + index * MODULE_SIZE;
            put(&mut image, record, MODULE_MAGIC);
            put(&mut image, record + FLAGS, &kind.to_le_bytes());
            put(
                &mut image,
                record + START,
                &((start - record) as u64).to_le_bytes(),
            );
            put(&mut image, record + SIZE, &(size as u32).to_le_bytes());
        }
        image
    }

    fn swapped(mut image: Vec<u8>, kernel: &[u8]) -> Result<Vec<u8>, String> {
        swap_kernel(&mut image, kernel).map_err(|failure| failure.to_string())?;
        Ok(image)
    }

    #[test]
    fn only_the_kernel_changes() {
        let kernel = vec![7; 6000];
        let new = swapped(image(), &kernel).unwrap();
        let record = RECORDS + MODULE_SIZE;
        assert_eq!(new[KERNEL_START..KERNEL_START + 6000], kernel);
        assert!(
            new[KERNEL_START + 6000..OTHER_START]
                .iter()
                .all(|&b| b == 0)
        );
        assert_eq!(word::<4>(&new, record + SIZE), Some(6000));
        assert_eq!(word::<4>(&new, record + UNCOMPRESSED_SIZE), Some(6000));
        let old = image();
        assert_eq!(new[..record + SIZE], old[..record + SIZE]);
        let behind = record + UNCOMPRESSED_SIZE + 4;
        assert_eq!(new[behind..KERNEL_START], old[behind..KERNEL_START]);
        assert_eq!(new[OTHER_START..], old[OTHER_START..]);
    }

    #[test]
    fn a_kernel_may_fill_the_pages_up_to_the_next_module_and_no_more() {
        let room = OTHER_START - KERNEL_START;
        assert!(swapped(image(), &vec![1; room]).is_ok());
        let why = swapped(image(), &vec![1; room + 1]).unwrap_err();
        assert!(why.contains("room for a kernel of 8192 bytes"), "{why}");
    }

    #[test]
    fn what_is_no_image_is_refused_and_left_alone() {
        for spoil in [
            (TABLE, b'x'),
            (TABLE + COUNT, 0),
            (TABLE + COUNT, 3),
            (TABLE + COUNT + 3, 0xff),
            (TABLE + FIRST + 7, 0x80),
            (RECORDS, b'x'),
            (RECORDS + START + 7, 0x80),
            (RECORDS + SIZE + 3, 0xff),
            (RECORDS + MODULE_SIZE + FLAGS, 0),
        ] {
            let mut image = image();
            image[spoil.0] = spoil.1;
            let before = image.clone();
            assert!(swap_kernel(&mut image, &[1; 10]).is_err(), "{spoil:x?}");
            assert_eq!(image, before);
        }
        assert!(swapped(vec![], &[1]).is_err());
        assert!(swapped(image()[..RECORDS].to_vec(), &[1]).is_err());
    }

    #[test]
    fn a_kernel_of_another_architecture_is_refused() {
        let elf = |machine: u8| {
            let mut file = vec![0; 64];
            put(&mut file, 0, b"\x7fELF\x02\x01\x01");
            put(&mut file, 16, &[2, 0, machine, 0, 1]);
            file
        };
        let mut image = image();
        put(&mut image, KERNEL_START, &elf(62));
        assert!(swapped(image.clone(), &elf(62)).is_ok());
        let why = swapped(image, &elf(183)).unwrap_err();
        assert!(why.contains("another architecture"), "{why}");
    }
}
