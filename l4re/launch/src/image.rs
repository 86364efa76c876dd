//! Loading a program into the region map of a new task.

use l4_abi::l4re::POSITION_INDEPENDENT_START;
use l4_abi::rights::CapabilityRights;
use l4_loader::Elf;
use l4_loader::auxiliary::Records;
use l4_loader::placement::{Placement, Source};
use l4_memory::Shared;
use l4_sys::Cap;
use l4_sys::attempt::Reason;
use l4re::mem_alloc::DataspaceFlags;
use l4re::region_map::Flags;
use l4re::{Dataspace, PAGE_SIZE};

use crate::layout::Layout;
use crate::{Attempt, LaunchError, Parts};

const LOAD: &str = "load its program";
/// Bytes of a program's wishes that are read; it has four kinds of them.
const AUXILIARY_MAX: usize = 512;
/// Program headers lie in the first page of a file.
const HEADERS: u64 = PAGE_SIZE;

/// A loaded program.
pub(crate) struct Image {
    /// Address of its first instruction.
    pub(crate) entry: u64,
    /// Address and number of its program headers, if they are in its memory.
    pub(crate) program_headers: Option<(u64, u64)>,
    /// Where it wants everything else.
    pub(crate) layout: Layout,
}

/// Attaches all parts of the program.
pub(crate) fn load(file: Cap<Dataspace>, parts: &Parts) -> Result<Image, LaunchError> {
    let refused = |error| LaunchError {
        action: LOAD,
        reason: Reason::Program(error),
    };
    let contents = Shared::read_only(file).to(LOAD)?;
    let mut start = alloc::vec![0; HEADERS.min(contents.size()) as usize];
    contents.read(0, &mut start);
    let elf = Elf::parse_start(&start, contents.size()).map_err(refused)?;
    let base = if elf.is_position_independent() {
        POSITION_INDEPENDENT_START
    } else {
        0
    };
    for placement in elf.placements().map_err(refused)? {
        let placement = placement.shifted(base);
        let placement = placement.ok_or(refused(l4_loader::Error::ProgramHeader(0)))?;
        place(&placement, file, parts).to(LOAD)?;
    }
    Ok(Image {
        entry: elf.entry().wrapping_add(base),
        program_headers: program_headers(&elf)
            .map(|(address, count)| (address.wrapping_add(base), count)),
        layout: layout(&elf, &contents).map_err(refused)?,
    })
}

/// The layout that the program asks for.
fn layout(elf: &Elf<'_>, file: &Shared) -> Result<Layout, l4_loader::Error> {
    let segment = elf.auxiliary_segment();
    let mut records = [0; AUXILIARY_MAX];
    let length = segment.map_or(0, |header| header.file_size.min(AUXILIARY_MAX as u64));
    let records = &mut records[..length as usize];
    file.read(segment.map_or(0, |header| header.offset), records);
    Layout::new(Records::new(records))
}

fn place(placement: &Placement, file: Cap<Dataspace>, parts: &Parts) -> l4_sys::Result<()> {
    let start = placement.pages.start;
    let size = placement.pages.end - start;
    let flags = Flags::from_bits_truncate(placement.access.bits().into());
    match &placement.source {
        Source::File { offset } => {
            parts
                .map
                .attach_at(start, file.into(), *offset, size, flags)?;
        }
        Source::Copy {
            target,
            file: range,
        } => {
            let copy = parts
                .memory
                .create_dataspace(size, DataspaceFlags::empty(), 0)?;
            let length = range.end - range.start;
            if length > 0 {
                copy.copy_in(*target, range.start, length, file.into())?;
            }
            // From here on the region keeps the dataspace.
            parts
                .map
                .attach_at(start, copy.pass(CapabilityRights::RW), 0, size, flags)?;
        }
    }
    Ok(())
}

/// Where in memory the part of the file with the program headers is.
fn program_headers(elf: &Elf<'_>) -> Option<(u64, u64)> {
    let (table, count) = elf.program_header_table();
    let headers = elf.program_headers().filter(|header| {
        header.kind == l4_loader::elf::segment_type::LOAD
            && (header.offset..header.offset + header.file_size).contains(&table)
    });
    let part = headers.min_by_key(|header| header.offset)?;
    Some((part.virtual_address + (table - part.offset), count as u64))
}
