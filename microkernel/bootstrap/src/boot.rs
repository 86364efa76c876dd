//! The steps from a boot image to a kernel that can be entered.

use core::ops::Range;

use boot_image::{Archive, Kind, Module};
use l4_abi::{
    boot::{PT_L4_KERNEL_OPTIONS, PT_L4_KIP},
    kip::{self, MemoryDescriptor, MemoryType, info, reserved},
    rights::MemoryRights,
};

use crate::{
    Error,
    firmware::{Platform, RootPointer, RootPointerCopy},
    kernel_info::KernelInfo,
    kernel_options,
    list::List,
    memory_map::{Block, MemoryMap, PAGE_SIZE, PhysicalMemory},
    module_list::ModuleList,
    program::Program,
};

/// Parts of one program, or runs of modules.
const MAX_RANGES: usize = 64;

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
    pub module_list: Block,
}

/// Loads the programs of `archive`, which lies at physical address `archive_start`, and writes
/// everything that the kernel and the root task read. What already lies in memory must be marked in
/// the platform's map.
pub fn load<'a>(
    mut platform: Platform,
    archive: Archive<'a>,
    archive_start: u64,
    memory: &mut impl PhysicalMemory,
) -> Result<System<'a>, Error> {
    let mut program = |kind| {
        let module = archive.find(kind).ok_or(Error::MissingModule(kind))?;
        Program::load(&module, platform.machine, &mut platform.map, memory)
    };
    // The kernel has fixed addresses, so it comes first.
    let kernel = program(Kind::Kernel)?;
    let sigma0 = program(Kind::Sigma0)?;
    let root = program(Kind::RootTask)?;

    let locate = |module: &Module<'_>| archive_start + archive.offset(module) as u64;
    let list = ModuleList::new(archive, &platform.root_pointer);
    let module_list = platform.map.claim_any(list.size() as u64, PAGE_SIZE)?;
    let list_address = module_list.range().start;
    list.write(memory.bytes(&module_list), list_address, locate);
    if let (RootPointer::Copy(_), Some(offset)) =
        (platform.root_pointer, list.root_pointer_offset())
    {
        platform.root_pointer = RootPointer::At(list_address + offset as u64);
    }

    let system = System {
        kernel,
        sigma0,
        root,
        module_list,
    };
    kernel_options::set_console(system.options(memory)?, platform.console.as_ref())?;
    let mut kernel_info = KernelInfo::open(system.kernel_info_page(memory)?)?;
    kernel_info.set_entries(system.sigma0.entry(), system.root.entry());
    kernel_info.set_module_list(list_address);
    kernel_info.set_platform(&platform);
    kernel_info.set_memory_descriptors(
        needed_descriptors(&platform, &system, kept_modules(&archive, locate))?,
        firmware_descriptors(&platform),
    )?;
    Ok(system)
}

impl System<'_> {
    /// All memory that was written.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        let programs = [&self.kernel, &self.sigma0, &self.root].into_iter();
        programs
            .flat_map(|program| program.blocks())
            .chain(core::iter::once(&self.module_list))
    }

    fn kernel_info_page<'m>(
        &self,
        memory: &'m mut impl PhysicalMemory,
    ) -> Result<&'m mut [u8], Error> {
        let missing = Error::Kernel("it has no kernel info page");
        let address = self.kernel.find(PT_L4_KIP).ok_or(missing)?;
        self.kernel.tail(memory, address).ok_or(missing)
    }

    /// A kernel that does not say where its options are has them behind the kernel info page.
    fn options<'m>(&self, memory: &'m mut impl PhysicalMemory) -> Result<&'m mut [u8], Error> {
        let behind = || Some(self.kernel.find(PT_L4_KIP)?.wrapping_add(kip::SIZE as u64));
        let address = self.kernel.find(PT_L4_KERNEL_OPTIONS).or_else(behind);
        let bytes = address.and_then(|address| self.kernel.tail(memory, address));
        bytes.ok_or(Error::Kernel("it has no options block"))
    }
}

/// RAM, and what lies in it from now on.
fn needed_descriptors(
    platform: &Platform,
    system: &System<'_>,
    modules: impl Iterator<Item = Range<u64>>,
) -> Result<impl Iterator<Item = MemoryDescriptor>, Error> {
    let pages = |program: &Program<'_>| merge_pages(program.segments().map(|(range, _)| range));
    let kernel = pages(&system.kernel)?.into_iter();
    let kernel = kernel.map(|range| describe(MemoryType::Reserved, reserved::KERNEL_IMAGE, &range));
    let sigma0 = pages(&system.sigma0)?.into_iter();
    let sigma0 = sigma0.map(|range| describe(MemoryType::Dedicated, 0, &range).eager());
    let root = system.root.segments().map(|(range, segment)| {
        MemoryDescriptor::bootloader(segment.access, range.start, range.end - 1).eager()
    });
    // The root task may do anything with its modules; the device tree is not its.
    let modules = modules.chain(core::iter::once(system.module_list.range()));
    let bootloader = |rights: MemoryRights| {
        move |range: Range<u64>| describe(MemoryType::Bootloader, rights.bits(), &range)
    };
    let modules = merge_pages(modules)?
        .into_iter()
        .map(bootloader(MemoryRights::RWX));
    let tree = merge_pages(platform.device_tree.clone().into_iter())?.into_iter();
    let tree = tree.map(bootloader(MemoryRights::empty()));
    Ok(ram_descriptors(&platform.map)
        .chain(kernel)
        .chain(sigma0)
        .chain(root)
        .chain(modules)
        .chain(tree))
}

/// RAM, narrowed to whole units.
fn ram_descriptors(map: &MemoryMap) -> impl Iterator<Item = MemoryDescriptor> {
    let unit = MemoryDescriptor::GRANULARITY;
    let narrowed = map
        .ram()
        .map(move |ram| ram.start.next_multiple_of(unit)..ram.end / unit * unit);
    let narrowed = narrowed.filter(|ram| !ram.is_empty());
    narrowed.map(|ram| describe(MemoryType::Conventional, 0, &ram))
}

/// What firmware keeps for itself, and where the ACPI root pointer lies.
fn firmware_descriptors(platform: &Platform) -> impl Iterator<Item = MemoryDescriptor> {
    let root_pointer = match platform.root_pointer {
        RootPointer::At(address) => Some(address..address + size_of::<RootPointerCopy>() as u64),
        _ => None,
    };
    let root_pointer =
        root_pointer.map(|range| describe(MemoryType::Info, info::ACPI_RSDP, &range));
    let kept = platform.map.firmware();
    let kept =
        kept.map(|(range, kind)| describe(MemoryType::ArchitectureSpecific, kind as u8, &range));
    root_pointer.into_iter().chain(kept)
}

fn describe(kind: MemoryType, sub_type: u8, range: &Range<u64>) -> MemoryDescriptor {
    MemoryDescriptor::physical(kind, sub_type, range.start, range.end - 1)
}

/// Where the modules for the root task lie. Those that bootstrap loads itself are not kept.
fn kept_modules(
    archive: &Archive<'_>,
    locate: impl Fn(&Module<'_>) -> u64,
) -> impl Iterator<Item = Range<u64>> {
    let kept = archive
        .modules()
        .filter(|module| module.kind == Kind::Ordinary);
    kept.filter(|module| !module.data.is_empty())
        .map(move |module| {
            let start = locate(&module);
            start..start + module.data.len() as u64
        })
}

/// Widens ranges to pages and joins those that follow each other.
fn merge_pages(
    ranges: impl Iterator<Item = Range<u64>>,
) -> Result<List<Range<u64>, MAX_RANGES>, Error> {
    let mut merged = List::<Range<u64>, MAX_RANGES>::default();
    for range in ranges {
        let range = range.start / PAGE_SIZE * PAGE_SIZE..range.end.next_multiple_of(PAGE_SIZE);
        if let Some(last) = merged.last_mut()
            && (last.contains(&range.start) || last.end == range.start)
        {
            last.end = last.end.max(range.end);
        } else if !merged.push(range) {
            return Err(Error::TooMany("memory ranges"));
        }
    }
    Ok(merged)
}
