//! The whole way from a boot image to a kernel that could be entered, in memory that is none.

mod firmware;
mod memory_map;
mod options;

use core::{mem::offset_of, ops::Range};
use std::{string::ToString, vec, vec::Vec};

use boot_image::{Archive, Kind, Module, write};
use l4_abi::{
    boot::{
        self as abi, ModuleInfo,
        options::{MAGIC, OptionsV5},
    },
    kip::{self, MemoryDescriptor, MemoryType},
};
use l4_loader::{
    Machine,
    elf::segment_type::{DYNAMIC, LOAD},
    fixture::{self, Part, program, words},
};

use crate::{
    Error, boot,
    boot::System,
    firmware::{Platform, RootPointer},
    memory_map::{Block, FirmwareUse, MemoryMap, PhysicalMemory},
};

/// RAM from 0 to 16 MiB.
const RAM: Range<u64> = 0..16 << 20;
/// Where the archive lies.
const ARCHIVE: u64 = 8 << 20;
const KERNEL: u64 = 4 << 20;
const DESCRIPTORS: usize = 0x90;

struct Ram(Vec<u8>);

impl PhysicalMemory for Ram {
    fn bytes(&mut self, block: &Block) -> &mut [u8] {
        let range = block.range();
        &mut self.0[range.start as usize..range.end as usize]
    }
}

impl Ram {
    fn word(&self, address: u64) -> u64 {
        u64::from_le_bytes(self.0[address as usize..][..8].try_into().unwrap())
    }

    fn text(&self, address: u64) -> &str {
        let bytes = &self.0[address as usize..];
        let end = bytes.iter().position(|&byte| byte == 0).unwrap();
        core::str::from_utf8(&bytes[..end]).unwrap()
    }
}

fn platform() -> Platform {
    let mut map = MemoryMap::new(4 << 30);
    map.add_ram(RAM).unwrap();
    map.add_firmware(0..0x1000, FirmwareUse::PageZero).unwrap();
    let root_pointer = RootPointer::At(0xf_5000);
    Platform {
        name: "pc",
        machine: Machine::X86_64,
        map,
        root_pointer,
        device_tree: None,
        console: None,
    }
}

/// The kernel's first two pages: kernel info and options.
fn kernel_pages() -> Vec<u8> {
    let mut pages = vec![0; 0x2000];
    pages[..4].copy_from_slice(&kip::MAGIC.to_le_bytes());
    pages[4..8].copy_from_slice(&kip::VERSION.to_le_bytes());
    pages[0x54..0x58].copy_from_slice(&(DESCRIPTORS as u32).to_le_bytes());
    pages[0x58..0x5c].copy_from_slice(&64u32.to_le_bytes());
    pages[0x1000..0x1004].copy_from_slice(&MAGIC.to_le_bytes());
    pages[0x1004..0x1008].copy_from_slice(&OptionsV5::VERSION.to_le_bytes());
    pages
}

fn kernel(kind: fixture::Kind, pages: &[u8], address: u64) -> Vec<u8> {
    let part = |kind, address, memory_size, contents| Part {
        kind,
        flags: 7,
        address,
        memory_size,
        contents,
    };
    let parts = [
        part(LOAD, address, 0x5000, pages),
        part(abi::PT_L4_KIP, address, 0x1000, &[]),
        part(abi::PT_L4_KERNEL_OPTIONS, address + 0x1000, 0x1000, &[]),
    ];
    program(kind, Machine::X86_64, address + 0x1800, &parts)
}

/// A position-independent program: a word that is relocated, its table, and half a page of zeros.
fn user(entry: u64) -> Vec<u8> {
    let memory = words(&[0, 0, 0x1000, 8, 0x1010]);
    let dynamic = words(&[7, 0x1010, 8, 24, 9, 24, 0, 0]);
    let load = Part {
        kind: LOAD,
        flags: 6,
        address: 0x1000,
        memory_size: 0x800,
        contents: &memory,
    };
    let dynamic = Part {
        kind: DYNAMIC,
        memory_size: 64,
        contents: &dynamic,
        ..load
    };
    program(
        fixture::Kind::PositionIndependent,
        Machine::X86_64,
        entry,
        &[load, dynamic],
    )
}

/// Boots these modules on that platform.
fn boot_on(
    mut platform: Platform,
    modules: &[(Kind, &str, &[u8])],
    check: impl FnOnce(&mut Ram, &System<'_>),
) -> Result<(), Error> {
    let module = |&(kind, command_line, data)| Module {
        kind,
        command_line,
        data,
    };
    let modules: Vec<_> = modules.iter().map(module).collect();
    let bytes = write::archive(&modules).unwrap();
    let archive = Archive::parse(&bytes).unwrap();
    // Memory that nobody cleaned.
    let mut ram = Ram(vec![0xaa; RAM.end as usize]);
    let end = ARCHIVE + bytes.len() as u64;
    ram.0[ARCHIVE as usize..end as usize].copy_from_slice(&bytes);
    platform.map.occupy(ARCHIVE..end).unwrap();
    let system = boot::load(platform, archive, ARCHIVE, &mut ram)?;
    assert_eq!(
        ram.0[ARCHIVE as usize..end as usize],
        bytes,
        "modules survive"
    );
    check(&mut ram, &system);
    Ok(())
}

fn boot_kernel(kernel: &[u8], check: impl FnOnce(&mut Ram, &System<'_>)) -> Result<(), Error> {
    let sigma0 = user(0x1100);
    let root = user(0x1200);
    let modules: [(Kind, &str, &[u8]); 5] = [
        (Kind::Kernel, "kernel -wait -kmemsize=0x4000", kernel),
        (Kind::Ordinary, "ned one", b"a file"),
        (Kind::Sigma0, "sigma0", &sigma0),
        (Kind::RootTask, "moe --init=rom/ned", &root),
        (Kind::Ordinary, "description", &[7; 0x1001]),
    ];
    boot_on(platform(), &modules, check)
}

fn boot(check: impl FnOnce(&mut Ram, &System<'_>)) {
    let kernel = kernel(fixture::Kind::Executable, &kernel_pages(), KERNEL);
    boot_kernel(&kernel, check).unwrap();
}

fn descriptors(ram: &Ram, page: u64) -> Vec<(MemoryType, u8, u64, u64)> {
    let entries = (0..64).map(|index| page + DESCRIPTORS as u64 + 16 * index);
    let entries = entries.map(|at| MemoryDescriptor::from_words(ram.word(at), ram.word(at + 8)));
    let used = entries.filter(|entry| entry.is_used());
    used.map(|entry| {
        (
            entry.kind().unwrap(),
            entry.sub_type(),
            entry.start(),
            entry.last(),
        )
    })
    .collect()
}

#[test]
fn the_kernel_lies_at_its_physical_addresses() {
    boot(|ram, system| {
        assert_eq!(system.kernel.entry(), KERNEL + 0x1800);
        assert_eq!(ram.0[KERNEL as usize..][..4], kip::MAGIC.to_le_bytes());
        assert!(
            ram.0[KERNEL as usize + 0x2000..][..0x3000]
                .iter()
                .all(|&byte| byte == 0)
        );
        assert_eq!(ram.0[KERNEL as usize + 0x5000], 0xaa);
    });
}

#[test]
fn sigma0_and_the_root_task_are_relocated_to_free_memory() {
    boot(|ram, system| {
        let (sigma0, root) = (
            MemoryMap::LOW_MEMORY_END,
            MemoryMap::LOW_MEMORY_END + 0x1000,
        );
        assert_eq!(
            (system.sigma0.entry(), system.root.entry()),
            (sigma0 + 0x100, root + 0x200)
        );
        assert_eq!(
            (ram.word(sigma0), ram.word(root)),
            (sigma0 + 0x10, root + 0x10)
        );
        assert_eq!(ram.word(sigma0 + 0x7f8), 0);
    });
}

#[test]
fn the_kernel_info_page_says_where_everything_is() {
    boot(|ram, system| {
        type Header = kip::Header<0>;
        let field = |offset| ram.word(KERNEL + offset as u64);
        assert_eq!(
            field(offset_of!(Header, sigma0_entry)),
            system.sigma0.entry()
        );
        assert_eq!(
            field(offset_of!(Header, root_task_entry)),
            system.root.entry()
        );
        assert_eq!(field(offset_of!(Header, acpi_rsdp)), 0xf_5000);
        assert_eq!(field(offset_of!(Header, device_tree)), 0);
        assert_eq!(
            ram.text(KERNEL + offset_of!(Header, platform_name) as u64),
            "pc"
        );
        let list = system.module_list.range();
        assert_eq!(field(offset_of!(Header, user_pointer)), list.start);
        let file = |index: u64| ram.word(ram.word(list.start + 0x10) + 0x20 * index + 8);
        use MemoryType::*;
        let sigma0 = MemoryMap::LOW_MEMORY_END;
        let expected = [
            (Conventional, 0, RAM.start, RAM.end - 1),
            (Reserved, 0, KERNEL, KERNEL + 0x4fff),
            (Dedicated, 0, sigma0, sigma0 + 0xfff),
            (Bootloader, 6, sigma0 + 0x1000, sigma0 + 0x17ff),
            (Bootloader, 7, file(0), file(0) + 0xfff),
            (Bootloader, 7, file(1), file(1) + 0x1fff),
            (Bootloader, 7, list.start, list.end - 1),
            (Info, 0, 0xf_5000, 0xf_53ff),
            (ArchitectureSpecific, 0, 0, 0xfff),
        ];
        assert_eq!(descriptors(ram, KERNEL), expected);
    });
}

#[test]
fn the_module_list_names_files_first_and_programs_after() {
    boot(|ram, system| {
        let list = system.module_list.range().start;
        let modules = ram.word(list + offset_of!(ModuleInfo, modules) as u64);
        assert_eq!(
            ram.word(list + offset_of!(ModuleInfo, module_count) as u64),
            5
        );
        let module = |index: u64| {
            let word = |field: u64| ram.word(modules + 32 * index + 8 * field);
            let contents = word(1) as usize..word(2) as usize;
            (
                word(0),
                contents.len(),
                &ram.0[contents][..4],
                ram.text(word(3)),
            )
        };
        assert_eq!(module(0), (0, 6, &b"a fi"[..], "ned one"));
        assert_eq!(module(1), (0, 0x1001, &[7; 4][..], "description"));
        assert_eq!(module(2).3, "kernel -wait -kmemsize=0x4000");
        assert_eq!((module(2).0, module(3).0, module(4).0), (1, 2, 3));
        assert_eq!(module(4).3, "moe --init=rom/ned");
    });
}

#[test]
fn a_copied_root_pointer_stays_with_the_module_list() {
    let kernel = kernel(fixture::Kind::Executable, &kernel_pages(), KERNEL);
    let user = user(0x1000);
    let modules: [(Kind, &str, &[u8]); 3] = [
        (Kind::Kernel, "kernel", &kernel),
        (Kind::Sigma0, "sigma0", &user),
        (Kind::RootTask, "moe", &user),
    ];
    let platform = Platform {
        root_pointer: RootPointer::Copy([0x52; 36]),
        ..platform()
    };
    let check = |ram: &mut Ram, system: &System<'_>| {
        let address = ram.word(KERNEL + offset_of!(kip::Header<0>, acpi_rsdp) as u64);
        assert!(system.module_list.range().contains(&address));
        assert_eq!(ram.0[address as usize..][..36], [0x52; 36]);
        assert_eq!(
            ram.text(ram.word(system.module_list.range().start + 0x30 + 0x18)),
            "kernel"
        );
    };
    boot_on(platform, &modules, check).unwrap();
}

#[test]
fn a_movable_kernel_gives_way_by_whole_large_pages() {
    let movable = kernel(
        fixture::Kind::PositionIndependent,
        &kernel_pages(),
        ARCHIVE + 0x1000,
    );
    let check = |ram: &mut Ram, system: &System<'_>| {
        let start = (2 << 20) + 0x1000;
        assert_eq!(system.kernel.entry(), start + 0x1800);
        assert_eq!(ram.word(start + 0x10), system.sigma0.entry());
        assert!(descriptors(ram, start).contains(&(
            MemoryType::Reserved,
            0,
            start,
            start + 0x4fff
        )));
    };
    boot_kernel(&movable, check).unwrap();
}

#[test]
fn what_cannot_boot_says_why() {
    let refused = |kernel: &[u8]| boot_kernel(kernel, |_, _| ()).unwrap_err().to_string();
    let with = |at: usize, byte: u8| {
        let mut pages = kernel_pages();
        pages[at] = byte;
        refused(&kernel(fixture::Kind::Executable, &pages, KERNEL))
    };
    let at = |address| refused(&kernel(fixture::Kind::Executable, &kernel_pages(), address));
    assert_eq!(
        at(ARCHIVE),
        "kernel module needs memory at 0x800000, which is not free"
    );
    assert_eq!(
        at(RAM.end),
        "kernel module needs memory at 0x1000000, which is not free"
    );
    let mut other = kernel(fixture::Kind::Executable, &kernel_pages(), KERNEL);
    other[18] = 183;
    assert_eq!(refused(&other), "kernel module is for another processor");
    assert_eq!(refused(b"not a kernel"), "kernel module: not an ELF file");
    assert_eq!(
        with(0, 1),
        "kernel module: kernel info page has another version"
    );
    assert_eq!(
        with(7, 1),
        "kernel module: kernel info page has another version"
    );
    let outside = "kernel module: memory descriptors are not in the kernel info page";
    assert_eq!(with(0x55, 0x10), outside);
    assert_eq!(with(0x54, 0), outside);
    assert_eq!(with(0x5b, 0x10), outside);
    assert_eq!(
        with(0x58, 10),
        "too many memory ranges for the kernel info page"
    );
    assert_eq!(with(0x1000, 1), "kernel module: it has no options block");
    assert_eq!(
        with(0x1004, 7),
        "kernel module: options block has version 7, expected 5 or 6"
    );
}

#[test]
fn every_program_must_be_there() {
    let user = user(0x1000);
    let kernel = kernel(fixture::Kind::Executable, &kernel_pages(), KERNEL);
    let refused = |modules: &[(Kind, &str, &[u8])]| {
        boot_on(platform(), modules, |_, _| ())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(refused(&[]), "no kernel module in the boot image");
    let mut modules: Vec<(Kind, &str, &[u8])> = vec![(Kind::Kernel, "kernel", &kernel)];
    assert_eq!(refused(&modules), "no sigma0 module in the boot image");
    modules.push((Kind::Sigma0, "sigma0", &user));
    assert_eq!(refused(&modules), "no root task module in the boot image");
}

#[test]
fn too_little_memory_is_an_error() {
    let kernel = kernel(fixture::Kind::Executable, &kernel_pages(), KERNEL);
    let user = user(0x1000);
    let modules: [(Kind, &str, &[u8]); 2] = [
        (Kind::Kernel, "kernel", &kernel),
        (Kind::Sigma0, "sigma0", &user),
    ];
    let mut map = MemoryMap::new(4 << 30);
    map.add_ram(KERNEL..KERNEL + 0x5000).unwrap();
    let error = boot_on(Platform { map, ..platform() }, &modules, |_, _| ()).unwrap_err();
    assert_eq!(error, Error::OutOfMemory(0x800));
}
