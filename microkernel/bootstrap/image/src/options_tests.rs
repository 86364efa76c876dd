//! The kernel's command line.

use core::mem::offset_of;

use alloc::vec::Vec;
use l4_loader::{
    Machine,
    fixture::{self, Part},
};

use super::*;

/// A kernel whose block of this version is behind its kernel info page, or elsewhere.
fn kernel(version: u32, at: Option<u64>) -> Vec<u8> {
    let mut pages = [0; 0x2000];
    let block = at.unwrap_or(0x1000) as usize;
    pages[block..block + 4].copy_from_slice(&MAGIC.to_le_bytes());
    pages[block + 4..block + 8].copy_from_slice(&version.to_le_bytes());
    let part = |kind, address| Part {
        kind,
        flags: 7,
        address,
        memory_size: 0x1000,
        contents: &[],
    };
    let mut parts = Vec::from([
        Part {
            memory_size: 0x2000,
            contents: &pages,
            ..part(segment_type::LOAD, 0x20_0000)
        },
        part(PT_L4_KIP, 0x20_0000),
    ]);
    parts.extend(at.map(|at| part(PT_L4_KERNEL_OPTIONS, 0x20_0000 + at)));
    fixture::program(
        fixture::Kind::Executable,
        Machine::X86_64,
        0x20_1800,
        &parts,
    )
}

/// What the block is, once it is filled.
fn fill(version: u32, line: &str) -> Result<Vec<u8>, Error> {
    let mut kernel = kernel(version, None);
    super::fill(&mut kernel, line.split(' '))?;
    let at = place(&kernel).unwrap();
    Ok(kernel[at..].to_vec())
}

fn word(block: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(block[offset..offset + 4].try_into().unwrap())
}

#[test]
fn both_versions_of_the_block_are_filled() {
    const LINE: &str = "-serial_esc -tbuf_entries=16 -out_buf=0x20 -jdb_cmd=JH -unknown -wait2";
    let five = fill(5, LINE).unwrap();
    let six = fill(6, LINE).unwrap();
    let expected =
        Flags::SERIAL_ESC | Flags::TRACE_ENTRIES | Flags::OUTPUT_BUFFER | Flags::DEBUGGER_COMMAND;
    for (block, flags, trace, output, command) in [
        (
            &five,
            offset_of!(OptionsV5, flags),
            offset_of!(OptionsV5, trace_entries),
            offset_of!(OptionsV5, output_buffer),
            offset_of!(OptionsV5, debugger_command),
        ),
        (
            &six,
            offset_of!(OptionsV6, flags),
            offset_of!(OptionsV6, trace_entries),
            offset_of!(OptionsV6, output_buffer),
            offset_of!(OptionsV6, debugger_command),
        ),
    ] {
        assert_eq!(word(block, flags), expected.bits());
        assert_eq!((word(block, trace), word(block, output)), (16, 0x20));
        assert_eq!(&block[command..command + 3], b"JH\0");
    }
}

#[test]
fn bad_values_are_refused() {
    for line in [
        "-kmemsize=",
        "-kmemsize=many",
        "-out_buf=0x",
        "-tbuf_entries=4294967296",
        "-isolate=yes",
    ] {
        assert!(matches!(fill(5, line), Err(Error::Kernel(_))), "{line}");
    }
    let mut line = [b'x'; 9 + DEBUGGER_COMMAND_LENGTH];
    line[..9].copy_from_slice(b"-jdb_cmd=");
    let line = core::str::from_utf8(&line).unwrap();
    assert!(fill(5, line).is_err());
    assert!(fill(5, &line[..line.len() - 1]).is_ok());
}

#[test]
fn isolation_is_on_off_or_the_kernels_choice() {
    for (line, flags) in [
        ("-isolate=on", Flags::ISOLATE),
        ("-isolate=off", Flags::NO_ISOLATION),
        ("-isolate=auto", Flags::empty()),
    ] {
        let block = fill(5, line).unwrap();
        let filled = word(&block, offset_of!(OptionsV5, flags));
        assert_eq!(filled, flags.bits(), "{line}");
    }
}

#[test]
fn the_block_is_where_the_kernel_says() {
    let mut kernel = kernel(5, Some(0x40));
    super::fill(&mut kernel, ["-wait"].into_iter()).unwrap();
    let at = place(&kernel).unwrap();
    assert_eq!(word(&kernel[at..], offset_of!(OptionsV5, magic)), MAGIC);
    let flags = word(&kernel[at..], offset_of!(OptionsV5, flags));
    assert_eq!(flags, Flags::WAIT.bits());
    // Other options take the place of the first ones.
    super::fill(&mut kernel, ["-esc"].into_iter()).unwrap();
    let flags = word(&kernel[at..], offset_of!(OptionsV5, flags));
    assert_eq!(flags, Flags::ESC.bits());
}

#[test]
fn kernels_without_such_a_block_are_refused() {
    assert!(fill(4, "").is_err());
    for mut kernel in [b"not a kernel".to_vec(), kernel(5, Some(0x1ff0))] {
        assert!(super::fill(&mut kernel, [].into_iter()).is_err());
    }
}
