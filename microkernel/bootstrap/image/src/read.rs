//! The archive's reader: checks everything once, then hands out slices.

use core::fmt;

use crate::{
    CHECKSUM_OFFSET, ENTRY_SIZE, HEADER_SIZE, Kind, MAGIC, MAX_MODULES, Module, PAGE_SIZE, VERSION,
    checksum,
};

/// Why an archive is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no archive here.
    Missing,
    /// It was written by another version of the build tool.
    Version(u32),
    /// It ends before its own size.
    Truncated,
    /// The checksum does not match.
    Checksum,
    /// A field of this entry (or of the header, entry 0) points outside or makes no sense.
    Malformed(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Missing => write!(out, "no modules in the boot image"),
            Error::Version(found) => write!(
                out,
                "module archive has version {found}, expected {VERSION}"
            ),
            Error::Truncated => write!(out, "module archive is truncated"),
            Error::Checksum => write!(out, "module archive is damaged (checksum)"),
            Error::Malformed(entry) => write!(out, "module archive is damaged (entry {entry})"),
        }
    }
}

impl core::error::Error for Error {}

/// A checked archive. Its command lines are UTF-8 and its modules lie inside it.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Archive<'a> {
    /// Bytes of memory that are enough for [`Archive::size`].
    pub const HEADER_SIZE: usize = HEADER_SIZE;

    /// Size in bytes of the archive that starts with `header`, not yet checked against anything.
    pub fn size(header: &[u8]) -> Result<usize, Error> {
        let header = header.get(..HEADER_SIZE).ok_or(Error::Missing)?;
        if read_u64(header, 0) != Some(MAGIC) {
            return Err(Error::Missing);
        }
        match read_u32(header, 8) {
            Some(VERSION) => {}
            found => return Err(Error::Version(found.unwrap_or(0))),
        }
        read_usize(header, 16)
            .filter(|&size| size >= HEADER_SIZE && size % PAGE_SIZE == 0)
            .ok_or(Error::Malformed(0))
    }

    /// Checks the archive at the start of `bytes`; what follows it is ignored.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let bytes = bytes.get(..Self::size(bytes)?).ok_or(Error::Truncated)?;
        if read_u64(bytes, CHECKSUM_OFFSET) != Some(checksum(bytes)) {
            return Err(Error::Checksum);
        }
        let count = read_u32(bytes, 12).map_or(0, |count| count as usize);
        if count > MAX_MODULES {
            return Err(Error::Malformed(0));
        }
        let archive = Archive { bytes, count };
        (0..count).try_for_each(|index| {
            archive
                .entry(index)
                .map(|_| ())
                .ok_or(Error::Malformed(index))
        })?;
        Ok(archive)
    }

    /// The archive itself, its padding included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the contents of one of its modules start, in bytes from the archive's start.
    pub fn offset(&self, module: &Module<'_>) -> usize {
        module.data.as_ptr() as usize - self.bytes.as_ptr() as usize
    }

    /// The modules in their order.
    pub fn modules(&self) -> impl Iterator<Item = Module<'a>> + use<'a> {
        let archive = *self;
        (0..self.count).filter_map(move |index| archive.entry(index))
    }

    /// The first module of this kind.
    pub fn find(&self, kind: Kind) -> Option<Module<'a>> {
        self.modules().find(|module| module.kind == kind)
    }

    fn entry(&self, index: usize) -> Option<Module<'a>> {
        let at = HEADER_SIZE + index * ENTRY_SIZE;
        let entry = self.bytes.get(at..at + ENTRY_SIZE)?;
        let (text, text_size) = (read_usize(entry, 8)?, read_u32(entry, 4)? as usize);
        let (data, data_size) = (read_usize(entry, 16)?, read_usize(entry, 24)?);
        if data % PAGE_SIZE != 0 {
            return None;
        }
        Some(Module {
            kind: kind(read_u32(entry, 0)?)?,
            command_line: core::str::from_utf8(self.bytes.get(text..text.checked_add(text_size)?)?)
                .ok()?,
            data: self.bytes.get(data..data.checked_add(data_size)?)?,
        })
    }
}

fn kind(word: u32) -> Option<Kind> {
    let kinds = [Kind::Ordinary, Kind::Kernel, Kind::Sigma0, Kind::RootTask];
    kinds
        .into_iter()
        .find(|&kind| kind as u64 == u64::from(word))
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn read_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn read_usize(bytes: &[u8], offset: usize) -> Option<usize> {
    read_u64(bytes, offset)?.try_into().ok()
}
