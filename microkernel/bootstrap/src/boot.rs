//! The steps from a boot image to a kernel that can be entered.

use core::ops::Range;

use boot_image::{Archive, Kind, Module};
use heapless::Vec;
use l4_abi::{
    boot::{PT_L4_KERNEL_OPTIONS, PT_L4_KIP},
    kip::{self, MemoryDescriptor, MemoryType, info, reserved},
    rights::MemoryRights,
};

use crate::{
    Error,
    firmware::{Platform, RootPointer},
    kernel_info::KernelInfo,
    kernel_options,
    memory_map::{Block, MemoryMap, PAGE_SIZE, PhysicalMemory},
    module_list::ModuleList,
    program::Program,
};

/// A system in memory.
#[derive(Debug)]
pub struct System<'a> {
    /// The kernel, to be entered at its entry point.
    pub kernel: Program<'a>,
    /// The first pager.
    pub sigma0: Program<'a>,
    /// The root task.
    pub root: Program<'a>,
    /// The module list.
    pub modules: Block,
}

/// Loads the programs of `archive`, which lies at physical address `archive_start`, and writes everything that the
/// kernel and the root task read. What already lies in memory must be marked in the platform's map.
pub fn load<'a>(
    platform: Platform,
    archive: Archive<'a>,
    archive_start: u64,
    memory: &mut impl PhysicalMemory,
) -> Result<System<'a>, Error> {
    let mut map = platform.map;
    let find = |kind| archive.find(kind).ok_or(Error::MissingModule(kind));
    let kernel_module = find(Kind::Kernel)?;
    // The kernel has fixed addresses, so it comes first.
    let kernel = Program::load(&kernel_module, &mut map, memory)?;
    let sigma0 = Program::load(&find(Kind::Sigma0)?, &mut map, memory)?;
    let root = Program::load(&find(Kind::RootTask)?, &mut map, memory)?;

    let (root_pointer, copy) = match platform.root_pointer {
        RootPointer::None => (0, None),
        RootPointer::At(address) => (address, None),
        RootPointer::Copy(copy) => (0, Some(copy)),
    };
    let list = ModuleList::new(archive, copy);
    let modules = map.claim_any(list.size() as u64, PAGE_SIZE)?;
    let list_address = modules.range().start;
    let locate = |module: &Module<'_>| archive_start + archive.offset(module) as u64;
    list.write(memory.bytes(&modules), list_address, locate);
    let root_pointer = list
        .root_pointer_offset()
        .map_or(root_pointer, |offset| list_address + offset as u64);

    let page = kernel
        .find(PT_L4_KIP)
        .ok_or(Error::Kernel("it has no kernel info page"))?;
    let options = kernel
        .find(PT_L4_KERNEL_OPTIONS)
        .unwrap_or(page + kip::SIZE as u64);
    let options = kernel
        .tail(memory, options)
        .ok_or(Error::Kernel("options block is not in its memory"))?;
    kernel_options::fill(
        options,
        kernel_module.arguments(),
        platform.console.as_ref(),
    )?;

    let system = System {
        kernel,
        sigma0,
        root,
        modules,
    };
    let device_tree = platform.device_tree.unwrap_or(0..0);
    let page = system
        .kernel
        .tail(memory, page)
        .ok_or(Error::Kernel("kernel info page is not in its memory"))?;
    let mut kernel_info = KernelInfo::open(page)?;
    kernel_info.set_entries(system.sigma0.entry(), system.root.entry());
    kernel_info.set_module_list(list_address);
    kernel_info.set_platform(platform.name, root_pointer, device_tree.start);
    let for_root = for_root_task(&archive, archive_start)?;
    kernel_info.set_memory_descriptors(
        ram(&map)
            .chain(system.descriptors())
            .chain(for_root.iter().map(modules_descriptor))
            .chain(tree(&device_tree)),
        firmware(&map, root_pointer),
    )?;
    Ok(system)
}

impl System<'_> {
    /// All memory that was written.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        let programs = [&self.kernel, &self.sigma0, &self.root].into_iter();
        programs
            .flat_map(|program| program.blocks())
            .chain(core::iter::once(&self.modules))
    }

    fn descriptors(&self) -> impl Iterator<Item = MemoryDescriptor> {
        let kernel = self.kernel.segments().map(|(range, _)| {
            MemoryDescriptor::physical(
                MemoryType::Reserved,
                reserved::KERNEL_IMAGE,
                range.start,
                range.end - 1,
            )
        });
        let sigma0 = self.sigma0.segments().map(|(range, _)| {
            MemoryDescriptor::physical(MemoryType::Dedicated, 0, range.start, range.end - 1).eager()
        });
        let root = self.root.segments().map(|(range, segment)| {
            MemoryDescriptor::bootloader(segment.access, range.start, range.end - 1).eager()
        });
        kernel
            .chain(sigma0)
            .chain(root)
            .chain(core::iter::once(modules_descriptor(&self.modules.range())))
    }
}

/// RAM, narrowed to whole units.
fn ram(map: &MemoryMap) -> impl Iterator<Item = MemoryDescriptor> {
    let unit = MemoryDescriptor::GRANULARITY;
    let narrowed = map
        .ram()
        .map(move |ram| ram.start.next_multiple_of(unit)..ram.end / unit * unit);
    let narrowed = narrowed.filter(|ram| !ram.is_empty());
    narrowed
        .map(|ram| MemoryDescriptor::physical(MemoryType::Conventional, 0, ram.start, ram.end - 1))
}

/// What firmware keeps for itself, and where the ACPI root pointer lies.
fn firmware(map: &MemoryMap, root_pointer: u64) -> impl Iterator<Item = MemoryDescriptor> {
    let root_pointer = (root_pointer != 0).then(|| {
        MemoryDescriptor::physical(
            MemoryType::Info,
            info::ACPI_RSDP,
            root_pointer,
            root_pointer,
        )
    });
    let kept = map.firmware().map(|(range, kind)| {
        MemoryDescriptor::physical(
            MemoryType::ArchitectureSpecific,
            kind as u8,
            range.start,
            range.end - 1,
        )
    });
    root_pointer.into_iter().chain(kept)
}

fn tree(range: &Range<u64>) -> impl Iterator<Item = MemoryDescriptor> + use<> {
    let range = range.clone();
    let tree = (!range.is_empty()).then(|| {
        MemoryDescriptor::bootloader(MemoryRights::empty(), range.start, page_end(range.end) - 1)
    });
    tree.into_iter()
}

/// The root task may do anything with its modules.
fn modules_descriptor(range: &Range<u64>) -> MemoryDescriptor {
    MemoryDescriptor::bootloader(MemoryRights::RWX, range.start, page_end(range.end) - 1)
}

/// Where the modules for the root task lie, neighbours merged. What bootstrap loaded itself is not kept.
fn for_root_task(archive: &Archive<'_>, archive_start: u64) -> Result<Vec<Range<u64>, 8>, Error> {
    let mut ranges: Vec<Range<u64>, 8> = Vec::new();
    for module in archive
        .modules()
        .filter(|module| module.kind == Kind::Ordinary && !module.data.is_empty())
    {
        let start = archive_start + archive.offset(&module) as u64;
        let end = page_end(start + module.data.len() as u64);
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges
                .push(start..end)
                .map_err(|_| Error::TooMany("gaps between modules"))?,
        }
    }
    Ok(ranges)
}

fn page_end(address: u64) -> u64 {
    address.next_multiple_of(PAGE_SIZE)
}
