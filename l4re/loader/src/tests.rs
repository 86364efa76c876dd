//! Programs made by hand, and hostile ones.

use l4_abi::{l4re::PT_L4_AUX, rights::MemoryRights};
use proptest::prelude::*;
use std::{vec, vec::Vec};

use crate::{
    Elf, Error,
    Machine::{self, Aarch64, X86_64},
    auxiliary::Record,
    elf::segment_type,
    fixture::{
        self,
        Kind::{self, Executable, PositionIndependent},
        Part, words,
    },
    placement::Source,
};

const ENTRY: u64 = 0x1000_0010;

/// An ELF file with these program headers `(type, flags, address, memory size, contents)`.
fn program(kind: Kind, machine: Machine, parts: &[(u32, u32, u64, u64, &[u8])]) -> Vec<u8> {
    let part = |&(kind, flags, address, memory_size, contents)| Part {
        kind,
        flags,
        address,
        memory_size,
        contents,
    };
    let parts: Vec<_> = parts.iter().map(part).collect();
    fixture::program(kind, machine, ENTRY, &parts)
}

#[test]
fn segments_say_what_goes_where() {
    let file = program(
        Executable,
        Aarch64,
        &[
            (segment_type::LOAD, 5, 0x100_0000, 0x1000, b"code"),
            (segment_type::LOAD, 6, 0x100_1000, 0x20, b""),
        ],
    );
    let elf = Elf::parse(&file).unwrap();
    assert_eq!(
        (elf.machine(), elf.entry(), elf.is_position_independent()),
        (Aarch64, ENTRY, false)
    );
    let segments: Vec<_> = elf.segments().collect();
    assert_eq!(segments[0].data, b"code");
    assert_eq!(segments[0].access, MemoryRights::RX);
    assert_eq!(
        (
            segments[1].virtual_address,
            segments[1].memory_size,
            segments[1].data
        ),
        (0x100_1000, 0x20, &b""[..])
    );
    assert_eq!(elf.virtual_range(), Ok(0x100_0000..0x100_1020));
    assert_eq!(elf.check_write_xor_execute(), Ok(()));
}

#[test]
fn writable_code_is_found_even_across_segments() {
    let both = program(
        Executable,
        X86_64,
        &[(segment_type::LOAD, 7, 0x1000, 0x1000, b"")],
    );
    assert_eq!(
        Elf::parse(&both).unwrap().check_write_xor_execute(),
        Err(Error::WritableCode)
    );
    let shared_page = program(
        Executable,
        X86_64,
        &[
            (segment_type::LOAD, 5, 0x1000, 0x800, b""),
            (segment_type::LOAD, 6, 0x1800, 0x800, b""),
        ],
    );
    assert_eq!(
        Elf::parse(&shared_page).unwrap().check_write_xor_execute(),
        Err(Error::WritableCode)
    );
}

#[test]
fn other_files_are_refused() {
    let good = program(
        Executable,
        X86_64,
        &[(segment_type::LOAD, 5, 0x1000, 0x1000, b"")],
    );
    let with = |offset: usize, byte: u8| {
        let mut file = good.clone();
        file[offset] = byte;
        Elf::parse(&file).map(|_| ())
    };
    assert_eq!(Elf::parse(b"").map(|_| ()), Err(Error::NotElf));
    assert_eq!(Elf::parse(&good[..63]).map(|_| ()), Err(Error::NotElf));
    assert_eq!(with(0, b'M'), Err(Error::NotElf));
    assert_eq!(with(4, 1), Err(Error::Unsupported), "32 bit");
    assert_eq!(with(5, 2), Err(Error::Unsupported), "big endian");
    assert_eq!(with(16, 1), Err(Error::Unsupported), "object file");
    assert_eq!(with(18, 40), Err(Error::Unsupported), "32-bit ARM");
    assert_eq!(with(54, 32), Err(Error::ProgramHeader(0)), "entry size");
    assert_eq!(
        with(56, 65),
        Err(Error::ProgramHeader(0)),
        "too many headers"
    );
    assert_eq!(
        with(56, 2),
        Err(Error::ProgramHeader(1)),
        "table past the end"
    );
    assert_eq!(
        with(39, 0xff),
        Err(Error::ProgramHeader(0)),
        "table outside"
    );
    assert_eq!(
        with(64 + 15, 0xff),
        Err(Error::ProgramHeader(0)),
        "contents outside"
    );
    assert_eq!(
        with(64 + 32, 1),
        Err(Error::ProgramHeader(0)),
        "more in the file than in memory"
    );
    let wraps = program(
        Executable,
        X86_64,
        &[(segment_type::LOAD, 5, u64::MAX - 0xfff, 0x1001, b"")],
    );
    assert_eq!(Elf::parse(&wraps).map(|_| ()), Err(Error::ProgramHeader(0)));
    let overlap = program(
        Executable,
        X86_64,
        &[
            (segment_type::LOAD, 5, 0x1000, 0x1000, b""),
            (segment_type::LOAD, 6, 0x1fff, 1, b""),
        ],
    );
    assert_eq!(Elf::parse(&overlap).map(|_| ()), Err(Error::Overlap));
    let nothing = program(
        Executable,
        X86_64,
        &[(segment_type::LOAD, 5, 0x1000, 0, b"")],
    );
    assert_eq!(
        Elf::parse(&nothing).unwrap().virtual_range(),
        Err(Error::NothingToLoad)
    );
}

/// A position-independent program at 0x1000 whose memory is four words and one relocation entry.
fn relocatable(machine: Machine, kind: u64, target: u64, dynamic: &[u64]) -> Vec<u8> {
    let memory = words(&[0, 0, 0, 0, target, kind, 0x1234]);
    let dynamic = words(dynamic);
    program(
        PositionIndependent,
        machine,
        &[
            (segment_type::LOAD, 6, 0x1000, memory.len() as u64, &memory),
            (
                segment_type::DYNAMIC,
                6,
                0x1000,
                dynamic.len() as u64,
                &dynamic,
            ),
        ],
    )
}

fn relocate(file: &[u8]) -> Result<Vec<u8>, Error> {
    let elf = Elf::parse(file)?;
    let mut image = elf.segments().next().unwrap().data.to_vec();
    elf.relocate(&mut image, 0x50_0000).map(|()| image)
}

const TABLE: &[u64] = &[7, 0x1020, 8, 24, 9, 24, 0, 0];

#[test]
fn relative_relocations_are_applied() {
    for (machine, kind) in [(X86_64, 8), (Aarch64, 1027)] {
        let image = relocate(&relocatable(machine, kind, 0x1008, TABLE)).unwrap();
        assert_eq!(image[8..16], (0x50_0000u64 + 0x1234).to_le_bytes());
        assert_eq!(image[..8], [0; 8]);
    }
}

#[test]
fn a_program_without_relocations_stays_as_it_is() {
    let image = relocate(&relocatable(X86_64, 8, 0x1008, &[0, 0, 7, 0x1020])).unwrap();
    assert_eq!(image[..32], [0; 32]);
}

#[test]
fn bad_relocations_are_refused() {
    assert_eq!(
        relocate(&relocatable(X86_64, 1027, 0x1008, TABLE)),
        Err(Error::UnsupportedRelocation(1027))
    );
    for target in [0xfff, 0x1031, 0x1038, u64::MAX] {
        assert_eq!(
            relocate(&relocatable(X86_64, 8, target, TABLE)),
            Err(Error::Relocation),
            "target {target:#x}"
        );
    }
    for dynamic in [
        [7, 0xfff, 8, 24],
        [7, 0x1020, 8, 25],
        [7, 0x1020, 8, 48],
        [7, u64::MAX, 8, 24],
        [7, 0x1020, 9, 16],
    ] {
        assert_eq!(
            relocate(&relocatable(X86_64, 8, 0x1008, &dynamic)),
            Err(Error::Relocation),
            "{dynamic:x?}"
        );
    }
}

fn records(contents: &[u64]) -> Vec<Result<Record, Error>> {
    let contents = words(contents);
    let file = program(
        Executable,
        X86_64,
        &[(PT_L4_AUX, 4, 0, contents.len() as u64, &contents)],
    );
    Elf::parse(&file).unwrap().auxiliary_records().collect()
}

#[test]
fn auxiliary_records_are_read_up_to_the_end_mark() {
    let found = records(&[
        1,
        32,
        0x1000,
        0x1fff,
        2,
        24,
        0x8000,
        4,
        24,
        0x6fff_f000,
        9,
        16,
        0,
        0,
        3,
        24,
        5,
    ]);
    let expected = [
        Record::Reserve {
            start: 0x1000,
            end: 0x1fff,
        },
        Record::StackSize(0x8000),
        Record::KipAddress(0x6fff_f000),
        Record::Unknown(9),
    ];
    assert_eq!(found, expected.map(Ok));
}

#[test]
fn auxiliary_records_with_a_wrong_length_end_the_list() {
    for length in [0, 8, 16, 32, u64::MAX] {
        assert_eq!(
            records(&[2, length, 0x8000]),
            [Err(Error::Auxiliary)],
            "length {length:#x}"
        );
    }
    assert!(records(&[]).is_empty());
}

/// Does with a program everything that this crate offers.
fn exercise(file: &[u8]) {
    let Ok(elf) = Elf::parse(file) else { return };
    for segment in elf.segments() {
        assert!(segment.data.len() as u64 <= segment.memory_size);
        assert!(segment.virtual_range().start < segment.virtual_range().end);
    }
    let _ = (elf.check_write_xor_execute(), elf.physical_range());
    assert!(elf.auxiliary_records().count() <= file.len());
    if let Ok(range) = elf.virtual_range() {
        let mut image = vec![0x11; (range.end - range.start).min(0x10000) as usize];
        let _ = elf.relocate(&mut image, 0x1000_0000);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(tail in proptest::collection::vec(any::<u8>(), 0..512)) {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.extend_from_slice(&tail);
        exercise(&file);
    }

    #[test]
    fn damaged_programs_are_read_without_panic(
        damage in proptest::collection::vec((0usize..400, prop_oneof![any::<u8>(), Just(0), Just(0xff)]), 1..8)
    ) {
        let auxiliary = words(&[1, 32, 0x1000, 0x1fff, 2, 24, 0x8000]);
        let mut file = relocatable(Aarch64, 1027, 0x1008, TABLE);
        file[64 + 56 * 2 - 56..64 + 56 * 2 - 52].copy_from_slice(&segment_type::DYNAMIC.to_le_bytes());
        file.extend_from_slice(&auxiliary);
        for (at, byte) in damage {
            let length = file.len();
            file[at % length] = byte;
        }
        exercise(&file);
    }
}

#[test]
fn constant_parts_are_the_file_itself_and_others_a_copy() {
    let mut file = program(
        Executable,
        X86_64,
        &[
            (segment_type::LOAD, 5, 0x100_0123, 4, b"code"),
            (segment_type::LOAD, 6, 0x100_1123, 0x2000, b"data"),
            (segment_type::LOAD, 4, 0x100_5000, 8, b"rest"),
        ],
    );
    // Move the first part to an offset that lies alike.
    file.resize(0x1000, 0);
    file[64 + 8..64 + 16].copy_from_slice(&0x123u64.to_le_bytes());
    let elf = Elf::parse(&file).unwrap();
    let placements: Vec<_> = elf.placements().unwrap().collect();
    assert_eq!(placements[0].pages, 0x100_0000..0x100_1000);
    assert_eq!(placements[0].source, Source::File { offset: 0 });
    assert_eq!(placements[1].pages, 0x100_1000..0x100_4000);
    assert_eq!(placements[1].access, MemoryRights::RW);
    let Source::Copy {
        target,
        file: range,
    } = &placements[1].source
    else {
        panic!()
    };
    assert_eq!(
        (*target, &file[range.start as usize..range.end as usize]),
        (0x123, &b"data"[..])
    );
    assert!(matches!(
        placements[2].source,
        Source::Copy { target: 0, .. }
    ));
}

#[test]
fn parts_that_share_a_page_are_refused() {
    let share = |first: u64, second: u64| {
        let file = program(
            Executable,
            X86_64,
            &[
                (segment_type::LOAD, 4, first, 0x10, b""),
                (segment_type::LOAD, 6, second, 0x10, b""),
            ],
        );
        Elf::parse(&file).unwrap().placements().map(|_| ())
    };
    assert_eq!(share(0x100_0000, 0x100_0800), Err(Error::Overlap));
    assert_eq!(share(0x100_0000, 0x100_1000), Ok(()));
    assert_eq!(share(u64::MAX - 0x10, 0x100_1000), Ok(()));
}

#[test]
fn the_start_of_a_file_says_where_everything_is() {
    let file = program(
        Executable,
        X86_64,
        &[(segment_type::LOAD, 5, 0x100_0000, 0x4000, &[1; 0x3000])],
    );
    let (start, size) = (&file[..0x200], file.len() as u64);
    assert_eq!(Elf::parse(start).unwrap_err(), Error::ProgramHeader(0));
    assert_eq!(
        Elf::parse_start(start, size - 1).unwrap_err(),
        Error::ProgramHeader(0)
    );
    let elf = Elf::parse_start(start, size).unwrap();
    let whole = Elf::parse(&file).unwrap();
    assert!(elf.program_headers().eq(whole.program_headers()));
    assert!(elf.placements().unwrap().eq(whole.placements().unwrap()));
    assert_eq!(elf.segments().next().unwrap().data, b"");
}
