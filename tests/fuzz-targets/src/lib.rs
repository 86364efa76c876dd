//! What the fuzzer runs: one function for each reader of untrusted bytes. It may refuse any bytes, but
//! must not panic, and what it accepts must be as its interface promises.
//!
//! `cargo xtask test --long guided` builds the programs in `bin` with libFuzzer, which looks for inputs
//! that reach new code.
#![forbid(unsafe_code)]

mod block;
#[cfg(any(test, feature = "libfuzzer"))]
pub mod guest;
mod guest_example;
mod network;
mod steps;
mod virtqueue;

pub use block::{block, example_block};
pub use guest_example::example_guest;
pub use network::{example_switch, switch};
pub use virtqueue::{example_virtqueue, virtqueue};

use l4_loader::elf::segment_type;
use l4_loader::fixture::{Kind, Part, program, words};
use l4_loader::{Elf, Machine};
use system_description::Description;

/// Reads a system description of these bytes, with a checksum that is right: else hardly any bytes would
/// get beyond it.
pub fn description(bytes: &[u8]) {
    let mut block = bytes.to_vec();
    system_description::seal(&mut block);
    let Ok(description) = Description::parse(&block) else {
        return;
    };
    for component in &description.components {
        assert!(component.cpus != 0 && component.priority != 0);
        let mut texts = component.args.iter().chain(&component.rom);
        assert!(texts.all(|text| text.len() <= block.len()));
    }
    let is_there = |position| position < description.components.len();
    let mut grants = vec![];
    for channel in &description.channels {
        assert!(is_there(channel.server));
        grants.extend(&channel.clients);
    }
    for dataspace in &description.dataspaces {
        grants.extend(&dataspace.users);
    }
    assert!(grants.iter().all(|grant| is_there(grant.component)));
}

/// Reads an ELF file of these bytes, as loaders do.
pub fn elf(bytes: &[u8]) {
    let Ok(program) = Elf::parse(bytes) else {
        return;
    };
    for header in program.program_headers() {
        assert!(program.contents(&header).len() <= bytes.len());
    }
    for segment in program.segments() {
        assert!(segment.data.len() as u64 <= segment.memory_size);
        assert!(segment.virtual_range().start < segment.virtual_range().end);
    }
    if let (Ok(range), Ok(placements)) = (program.virtual_range(), program.placements()) {
        for placement in placements {
            let _ = placement.shifted(range.start);
        }
    }
    let _ = (program.physical_range(), program.check_write_xor_execute());
    program.auxiliary_records().for_each(drop);
    if let Ok(range) = program.virtual_range()
        && range.end - range.start < 1 << 20
    {
        let mut image = vec![0; (range.end - range.start) as usize];
        let _ = program.relocate(&mut image, range.start);
    }
}

/// A position-independent program of two segments, for the fuzzer to begin with.
pub fn example_elf() -> Vec<u8> {
    let dynamic = words(&[7, 0x2040, 8, 24, 9, 24, 0, 0, 0x2000, 8, 0x1000]);
    let part = |kind, flags, address, contents| Part {
        kind,
        flags,
        address,
        memory_size: 0x100,
        contents,
    };
    let parts = [
        part(segment_type::LOAD, 5, 0x1000, b"code".as_slice()),
        part(segment_type::LOAD, 6, 0x2000, &dynamic),
        part(segment_type::DYNAMIC, 6, 0x2000, &dynamic),
    ];
    program(Kind::PositionIndependent, Machine::X86_64, 0x1000, &parts)
}

#[cfg(test)]
mod tests {
    use super::{elf, example_elf};
    use l4_loader::Elf;

    #[test]
    fn the_example_is_a_program_that_can_be_moved() {
        let file = example_elf();
        let program = Elf::parse(&file).unwrap();
        let range = program.virtual_range().unwrap();
        let mut image = vec![0; (range.end - range.start) as usize];
        for segment in program.segments() {
            let at = (segment.virtual_address - range.start) as usize;
            image[at..at + segment.data.len()].copy_from_slice(segment.data);
        }
        program.relocate(&mut image, 0x10_0000).unwrap();
        assert_eq!(image[0x1000..0x1008], 0x10_1000_u64.to_le_bytes());
        elf(&file);
    }
}
