//! The kernel's command line.

use core::mem::offset_of;

use l4_abi::boot::options::{
    DEBUGGER_COMMAND_LENGTH, Flags, MAGIC, OptionsV5, OptionsV6, Uart, UartAccess,
};

use crate::{
    Error,
    kernel_options::{self, Console},
};

const CONSOLE: Console = Console {
    uart: Uart {
        base_baud: 0x0102_0304,
        baud: 115_200,
        irq: 33,
        register_shift: 2,
        access: UartAccess::Mmio as u8,
        base: 0x0900_0000,
        compatible: *b"arm,pl011\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    },
    valid: Flags::UART_BASE.union(Flags::UART_IRQ),
};

fn fill(version: u32, line: &str) -> Result<[u8; 0x100], Error> {
    let mut block = [0; 0x100];
    block[..4].copy_from_slice(&MAGIC.to_le_bytes());
    block[4..8].copy_from_slice(&version.to_le_bytes());
    kernel_options::fill(&mut block, line.split(' '), Some(&CONSOLE)).map(|()| block)
}

fn word(block: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(block[offset..offset + 4].try_into().unwrap())
}

#[test]
fn both_versions_of_the_block_are_filled() {
    const LINE: &str = "-serial_esc -tbuf_entries=16 -out_buf=0x20 -jdb_cmd=JH -unknown -wait2";
    let five = fill(5, LINE).unwrap();
    let six = fill(6, LINE).unwrap();
    let expected = Flags::SERIAL_ESC
        | Flags::TRACE_ENTRIES
        | Flags::OUTPUT_BUFFER
        | Flags::DEBUGGER_COMMAND
        | CONSOLE.valid;
    for (block, flags, trace, output, command, uart) in [
        (
            &five,
            offset_of!(OptionsV5, flags),
            offset_of!(OptionsV5, trace_entries),
            offset_of!(OptionsV5, output_buffer),
            offset_of!(OptionsV5, debugger_command),
            offset_of!(OptionsV5, uart),
        ),
        (
            &six,
            offset_of!(OptionsV6, flags),
            offset_of!(OptionsV6, trace_entries),
            offset_of!(OptionsV6, output_buffer),
            offset_of!(OptionsV6, debugger_command),
            offset_of!(OptionsV6, uart),
        ),
    ] {
        assert_eq!(word(block, flags), expected.bits());
        assert_eq!((word(block, trace), word(block, output)), (16, 0x20));
        assert_eq!(&block[command..command + 3], b"JH\0");
        assert_eq!(word(block, uart), 0x0102_0304);
        assert_eq!(word(block, uart + 4), 115_200);
        assert_eq!(word(block, uart + 8), 33 | 2 << 16 | 2 << 24);
        assert_eq!(word(block, uart + 12), 0x0900_0000);
        assert_eq!(&block[uart + 20..uart + 30], b"arm,pl011\0");
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
        assert_eq!(filled, (flags | CONSOLE.valid).bits(), "{line}");
    }
}

#[test]
fn other_blocks_are_refused() {
    assert_eq!(fill(4, "").unwrap_err(), Error::OptionsVersion(4));
    let short = &mut [0; 8];
    short[..4].copy_from_slice(&MAGIC.to_le_bytes());
    short[4] = 5;
    assert!(kernel_options::fill(short, [].into_iter(), None).is_err());
    assert!(kernel_options::fill(&mut [], [].into_iter(), None).is_err());
}
