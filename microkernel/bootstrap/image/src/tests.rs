//! What the writer writes, the reader reads; what someone damaged, it refuses.

use alloc::{vec, vec::Vec};
use l4_loader::{
    Machine,
    fixture::{self, Part},
};
use proptest::prelude::*;

use crate::{Archive, Error, Kind, Module, PAGE_SIZE, checksum, write};

const MODULES: &[Module<'static>] = &[
    Module {
        kind: Kind::Kernel,
        command_line: "kernel -wait",
        data: b"the kernel",
    },
    Module {
        kind: Kind::Sigma0,
        command_line: "sigma0",
        data: b"",
    },
    Module {
        kind: Kind::Ordinary,
        command_line: "ned a  b",
        data: &[7; PAGE_SIZE + 1],
    },
];

fn modules<'a>(archive: &Archive<'a>) -> Vec<Module<'a>> {
    archive.modules().collect()
}

/// A program with one load segment of `contents` at 0x20_0000, and an empty program header.
fn bootstrap(machine: Machine, contents: &[u8]) -> Vec<u8> {
    let size = contents.len() as u64 + 0x800;
    let load = Part {
        kind: 1,
        flags: 7,
        address: 0x20_0000,
        memory_size: size,
        contents,
    };
    let spare = Part {
        kind: 0,
        flags: 0,
        address: 0,
        memory_size: 0,
        contents: b"",
    };
    fixture::program(fixture::Kind::Executable, machine, 0, &[load, spare])
}

#[test]
fn reading_gives_what_was_written() {
    let bytes = write::archive(MODULES).unwrap();
    let archive = Archive::parse(&bytes).unwrap();
    assert_eq!(modules(&archive), MODULES);
    assert_eq!(archive.find(Kind::RootTask), None);
    let ned = archive.modules().last().unwrap();
    assert_eq!(
        (ned.name(), ned.arguments().collect::<Vec<_>>()),
        ("ned", vec!["ned", "a", "b"])
    );
    for module in archive.modules() {
        assert_eq!(
            (module.data.as_ptr() as usize - bytes.as_ptr() as usize) % PAGE_SIZE,
            0
        );
    }
}

#[test]
fn other_bytes_are_no_archive() {
    let bytes = write::archive(MODULES).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] ^= byte;
        Archive::parse(&bytes).map(|_| ())
    };
    assert_eq!(Archive::parse(&[]).map(|_| ()), Err(Error::Missing));
    assert_eq!(with(0, 1), Err(Error::Missing));
    assert_eq!(with(8, 3), Err(Error::Version(2)));
    assert_eq!(with(12, 1), Err(Error::Checksum));
    assert_eq!(
        with(16, 1),
        Err(Error::Malformed(0)),
        "size is no multiple of a page"
    );
    assert_eq!(with(18, 1), Err(Error::Truncated));
    assert_eq!(
        with(bytes.len() - 1, 1),
        Err(Error::Checksum),
        "the padding counts, too"
    );
    assert_eq!(
        Archive::parse(&bytes[..bytes.len() - 1]).map(|_| ()),
        Err(Error::Truncated)
    );
}

#[test]
fn too_many_modules_are_not_written() {
    let module = Module {
        kind: Kind::Ordinary,
        command_line: "",
        data: b"",
    };
    assert_eq!(
        write::archive(&vec![module; crate::MAX_MODULES + 1]),
        Err(write::Error::TooLarge)
    );
}

#[test]
fn an_x86_64_image_loads_the_archive_behind_bootstrap() {
    let image = write::pack(&bootstrap(Machine::X86_64, b"code"), MODULES).unwrap();
    let elf = l4_loader::Elf::parse(&image).unwrap();
    let segments: Vec<_> = elf.segments().collect();
    assert_eq!(segments.len(), 2);
    assert_eq!(segments[1].physical_address, 0x20_1000);
    assert_eq!(modules(&Archive::parse(segments[1].data).unwrap()), MODULES);
}

#[test]
fn an_aarch64_image_is_flat_and_says_its_size() {
    let mut contents = [0; 64];
    contents[56..60].copy_from_slice(b"ARM\x64");
    let image = write::pack(&bootstrap(Machine::Aarch64, &contents), MODULES).unwrap();
    assert_eq!(image[16..24], (image.len() as u64).to_le_bytes());
    assert_eq!(modules(&Archive::parse(&image[0x1000..]).unwrap()), MODULES);
    assert_eq!(
        write::pack(&bootstrap(Machine::Aarch64, &[0; 64]), MODULES),
        Err(write::Error::Bootstrap("Image header"))
    );
}

#[test]
fn modules_can_be_replaced_by_larger_and_by_fewer_ones() {
    let mut contents = [0; 64];
    contents[56..60].copy_from_slice(b"ARM\x64");
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let image = write::pack(&bootstrap(machine, &contents), &MODULES[..1]).unwrap();
        let larger = write::replace(&image, MODULES).unwrap();
        assert_eq!(
            larger,
            write::pack(&bootstrap(machine, &contents), MODULES).unwrap()
        );
        assert_eq!(write::replace(&larger, &MODULES[..1]).unwrap(), image);
        assert_eq!(modules(&write::unpack(&larger).unwrap()), MODULES);
    }
    assert_eq!(
        write::unpack(b"something else").map(|_| ()),
        Err(write::Error::NotAnImage)
    );
}

#[test]
fn a_bootstrap_program_without_a_place_for_modules_is_refused() {
    let mut file = bootstrap(Machine::X86_64, b"code");
    file[64 + 56] = 4;
    assert!(matches!(
        write::pack(&file, MODULES),
        Err(write::Error::Bootstrap(_))
    ));
    assert!(matches!(
        write::pack(b"#!/bin/sh", MODULES),
        Err(write::Error::Elf(_))
    ));
}

proptest! {
    #[test]
    fn damage_under_a_valid_checksum_is_read_without_panic(
        damage in proptest::collection::vec((12usize..256, any::<u8>()), 1..8)
    ) {
        let mut bytes = write::archive(MODULES).unwrap();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        let sum = checksum(&bytes);
        bytes[crate::CHECKSUM_OFFSET..crate::CHECKSUM_OFFSET + 8].copy_from_slice(&sum.to_le_bytes());
        if let Ok(archive) = Archive::parse(&bytes) {
            let inside = bytes.as_ptr_range();
            for module in archive.modules() {
                prop_assert!(inside.start <= module.data.as_ptr() && module.data.as_ptr_range().end <= inside.end);
            }
        }
    }
}
