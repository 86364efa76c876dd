//! A disk: content that nobody changes, and above it the blocks that were written.

use alloc::vec::Vec;
use core::ops::Range;

/// Bytes of a sector, in which requests are counted.
pub const SECTOR: u64 = 512;
/// Bytes that are copied when one of them is written.
pub const BLOCK: usize = 4096;

/// What lies below everything that was written.
pub trait Content {
    /// Bytes.
    fn size(&self) -> u64;
    /// Copies from `offset` on, where the bytes are.
    fn read(&self, offset: u64, target: &mut [u8]);
}

/// Nothing.
impl Content for () {
    fn size(&self) -> u64 {
        0
    }

    fn read(&self, _: u64, _: &mut [u8]) {}
}

impl<C: Content> Content for Option<C> {
    fn size(&self) -> u64 {
        self.as_ref().map_or(0, C::size)
    }

    fn read(&self, offset: u64, target: &mut [u8]) {
        if let Some(content) = self {
            content.read(offset, target);
        }
    }
}

/// A boot module.
impl Content for l4_memory::Shared {
    fn size(&self) -> u64 {
        self.size()
    }

    fn read(&self, offset: u64, target: &mut [u8]) {
        self.read(offset, target);
    }
}

/// A read or write that is beyond the disk's end, not allowed, or finds no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// A disk.
#[derive(Debug)]
pub struct Disk<C> {
    content: C,
    size: u64,
    /// Per block what was written there; empty for nothing. No entries if it is read-only.
    written: Vec<Vec<u8>>,
    /// Blocks that can still be written for the first time.
    blocks_left: u64,
}

impl<C: Content> Disk<C> {
    /// A disk of `size` bytes, rounded up to sectors, of which `writes` can be changed.
    ///
    /// # Errors
    /// If there is no memory for its table.
    pub fn new(content: C, size: u64, writes: u64) -> Result<Self, Failed> {
        let size = size.checked_next_multiple_of(SECTOR).ok_or(Failed)?;
        let mut written = Vec::new();
        let blocks_left = writes / BLOCK as u64;
        if blocks_left > 0 {
            let blocks = usize::try_from(size.div_ceil(BLOCK as u64)).map_err(|_| Failed)?;
            written.try_reserve_exact(blocks).map_err(|_| Failed)?;
            written.resize_with(blocks, Vec::new);
        }
        Ok(Self {
            content,
            size,
            written,
            blocks_left,
        })
    }

    /// Sectors.
    pub fn sectors(&self) -> u64 {
        self.size / SECTOR
    }

    /// Whether nothing can be written.
    pub fn is_read_only(&self) -> bool {
        self.written.is_empty()
    }

    /// The bytes of `length` from sector `sector` on, if they are all on the disk.
    pub fn range(&self, sector: u64, length: u64) -> Result<Range<u64>, Failed> {
        let start = sector.checked_mul(SECTOR).ok_or(Failed)?;
        let end = start.checked_add(length).ok_or(Failed)?;
        if !length.is_multiple_of(SECTOR) || end > self.size {
            return Err(Failed);
        }
        Ok(start..end)
    }

    /// Copies the bytes from `offset` on, which are on the disk and in one block.
    pub fn read(&self, offset: u64, target: &mut [u8]) {
        let (block, inside) = place(offset);
        match self.written.get(block) {
            Some(written) if !written.is_empty() => {
                let end = inside + target.len();
                target.copy_from_slice(&written[inside..end]);
            }
            _ => self.read_content(offset, target),
        }
    }

    /// Writes bytes from `offset` on, which are on the disk and in one block.
    pub fn write(&mut self, offset: u64, source: &[u8]) -> Result<(), Failed> {
        let (block, inside) = place(offset);
        if self.written.get(block).ok_or(Failed)?.is_empty() {
            let left = self.blocks_left.checked_sub(1).ok_or(Failed)?;
            let mut copy = Vec::new();
            copy.try_reserve_exact(BLOCK).map_err(|_| Failed)?;
            copy.resize(BLOCK, 0);
            self.read_content((block * BLOCK) as u64, &mut copy);
            self.written[block] = copy;
            self.blocks_left = left;
        }
        self.written[block][inside..inside + source.len()].copy_from_slice(source);
        Ok(())
    }

    /// What is below; zero where there is nothing.
    fn read_content(&self, offset: u64, target: &mut [u8]) {
        let there = self.content.size().saturating_sub(offset);
        let there = usize::try_from(there).map_or(target.len(), |there| there.min(target.len()));
        let (content, rest) = target.split_at_mut(there);
        if !content.is_empty() {
            self.content.read(offset, content);
        }
        rest.fill(0);
    }
}

/// The block of a byte, and where it is in there.
fn place(offset: u64) -> (usize, usize) {
    let block = offset / BLOCK as u64;
    (block as usize, (offset % BLOCK as u64) as usize)
}

/// The parts of a range that are each in one block.
pub fn in_blocks(mut range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    core::iter::from_fn(move || {
        let start = range.start;
        let next = (start / BLOCK as u64 + 1) * BLOCK as u64;
        range.start = next.min(range.end);
        (start < range.end).then_some(start..range.start)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    impl Content for Vec<u8> {
        fn size(&self) -> u64 {
            self.len() as u64
        }

        fn read(&self, offset: u64, target: &mut [u8]) {
            let start = offset as usize;
            target.copy_from_slice(&self[start..start + target.len()]);
        }
    }

    #[test]
    fn what_is_written_hides_the_content_and_nothing_else() {
        let content: Vec<u8> = (0..9000).map(|byte| byte as u8).collect();
        let mut disk = Disk::new(content.clone(), 20_000, 8192).unwrap();
        assert_eq!(disk.sectors(), 40);
        let mut bytes = [0; 8];
        disk.read(8996, &mut bytes);
        assert_eq!(bytes, [36, 37, 38, 39, 0, 0, 0, 0]);
        disk.write(4100, b"new").unwrap();
        disk.read(4096, &mut bytes);
        assert_eq!(&bytes, &[0, 1, 2, 3, b'n', b'e', b'w', 7]);
        disk.read(0, &mut bytes);
        assert_eq!(bytes, content[..8]);
        // Blocks that were written once can be written again, but only two of them.
        disk.write(16_384, b"far").unwrap();
        disk.write(16_385, b"far").unwrap();
        assert_eq!(disk.write(0, b"more"), Err(Failed));
        disk.write(4096, b"again").unwrap();
    }

    #[test]
    fn a_disk_without_writes_is_read_only() {
        let mut disk = Disk::new((), 4096, 4095).unwrap();
        assert!(disk.is_read_only());
        assert_eq!(disk.write(0, b"x"), Err(Failed));
    }

    #[test]
    fn only_whole_sectors_of_the_disk_can_be_named() {
        let disk = Disk::new((), 1000, 0).unwrap();
        assert_eq!(disk.range(0, 1024), Ok(0..1024));
        assert_eq!(disk.range(2, 0), Ok(1024..1024));
        for (sector, length) in [
            (1, 1024),
            (2, 512),
            (0, 511),
            (u64::MAX, 512),
            (1 << 55, 512),
        ] {
            assert_eq!(disk.range(sector, length), Err(Failed), "{sector} {length}");
        }
        assert!(Disk::new((), u64::MAX, 0).is_err());
    }

    #[test]
    fn ranges_are_cut_where_blocks_end() {
        let parts: Vec<_> = in_blocks(512..9000).collect();
        assert_eq!(parts, [512..4096, 4096..8192, 8192..9000]);
        assert_eq!(in_blocks(5..5).count(), 0);
    }
}
