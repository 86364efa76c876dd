//! Loading a program into the region map of a new task.

use l4_abi::rights::CapabilityRights;
use l4_loader::Elf;
use l4_loader::placement::{Placement, Source};
use l4_memory::Shared;
use l4_sys::Cap;
use l4_sys::attempt::Reason;
use l4re::mem_alloc::DataspaceFlags;
use l4re::region_map::Flags;
use l4re::{Dataspace, PAGE_SIZE};

use crate::layout::Layout;
use crate::{Attempt, LaunchError, Parts, foreign};

const LOAD: &str = "load its program";
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
    let base = foreign::base(&elf);
    for placement in elf.placements().map_err(refused)? {
        let placement = placement.shifted(base);
        let placement = placement.ok_or(refused(l4_loader::Error::ProgramHeader(0)))?;
        place(&placement, file, parts).to(LOAD)?;
    }
    Ok(Image {
        entry: elf.entry().wrapping_add(base),
        program_headers: foreign::program_headers(&elf)
            .map(|(address, count)| (address.wrapping_add(base), count)),
        layout: foreign::layout(&elf, &contents).map_err(refused)?,
    })
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
