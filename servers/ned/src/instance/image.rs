//! Loading a program into the region map of a new component.

use l4_abi::rights::CapabilityRights;
use l4_loader::Elf;
use l4_loader::placement::{Placement, Source};
use l4_memory::Shared;
use l4_sys::{Cap, OwnedCap, Result as CallResult};
use l4re::mem_alloc::DataspaceFlags;
use l4re::region_map::Flags;
use l4re::{Dataspace, MemAlloc, RegionMap};
use system_description::Component;

use super::{Attempt, Instance, Reason, StartError, Supplies};

/// A loaded program.
pub(super) struct Image {
    /// Address of its first instruction.
    pub(super) entry: u64,
    /// Address and number of its program headers, if they are in its memory.
    pub(super) program_headers: Option<(u64, u64)>,
}

/// Attaches all parts of the component's program.
pub(super) fn load(
    supplies: &Supplies,
    component: &Component<'_>,
    instance: &Instance,
) -> Result<Image, StartError> {
    const LOAD: &str = "load its program";
    let refused = |error| StartError {
        action: LOAD,
        reason: Reason::Program(error),
    };
    let file: OwnedCap<Dataspace> = supplies
        .rom
        .lookup(component.program)
        .to("find its program among the boot modules")?;
    let contents = Shared::read_only(file.as_cap()).to(LOAD)?.to_vec();
    let elf = Elf::parse(&contents).map_err(refused)?;
    if elf.is_position_independent() {
        let reason = Reason::Text("it is position independent; link it at a fixed address");
        return Err(StartError {
            action: LOAD,
            reason,
        });
    }
    let memory = instance.memory.as_ref().ok_or(StartError {
        action: LOAD,
        reason: Reason::Text("it has ended"),
    })?;
    for placement in elf.placements().map_err(refused)? {
        place(&placement, &file, memory.as_cap(), instance.map.as_cap()).to(LOAD)?;
    }
    Ok(Image {
        entry: elf.entry(),
        program_headers: program_headers(&elf),
    })
}

fn place(
    placement: &Placement,
    file: &OwnedCap<Dataspace>,
    memory: Cap<MemAlloc>,
    map: Cap<RegionMap>,
) -> CallResult<()> {
    let start = placement.pages.start;
    let size = placement.pages.end - start;
    let flags = Flags::from_bits_truncate(placement.access.bits().into());
    match &placement.source {
        Source::File { offset } => {
            map.attach_at(start, file.as_cap().into(), *offset, size, flags)?;
        }
        Source::Copy {
            target,
            file: range,
        } => {
            let copy = memory.create_dataspace(size, DataspaceFlags::empty(), 0)?;
            let length = range.end - range.start;
            if length > 0 {
                copy.copy_in(*target, range.start, length, file.as_cap().into())?;
            }
            // The region keeps the dataspace; ned does not.
            map.attach_at(start, copy.pass(CapabilityRights::RW), 0, size, flags)?;
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
