//! The kernel's console.

use core::mem::offset_of;

use l4_abi::boot::options::{Flags, MAGIC, OptionsV5, OptionsV6, Uart, UartAccess};

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

fn set(version: u32) -> Result<[u8; 0x100], Error> {
    let mut block = [0; 0x100];
    block[..4].copy_from_slice(&MAGIC.to_le_bytes());
    block[4..8].copy_from_slice(&version.to_le_bytes());
    block[8] = Flags::WAIT.bits() as u8;
    kernel_options::set_console(&mut block, Some(&CONSOLE)).map(|()| block)
}

fn word(block: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(block[offset..offset + 4].try_into().unwrap())
}

#[test]
fn both_versions_of_the_block_get_the_console_and_keep_the_rest() {
    for (version, flags, uart) in [
        (5, offset_of!(OptionsV5, flags), offset_of!(OptionsV5, uart)),
        (6, offset_of!(OptionsV6, flags), offset_of!(OptionsV6, uart)),
    ] {
        let block = set(version).unwrap();
        let expected = Flags::WAIT | CONSOLE.valid;
        assert_eq!(word(&block, flags), expected.bits());
        assert_eq!(word(&block, uart), 0x0102_0304);
        assert_eq!(word(&block, uart + 4), 115_200);
        assert_eq!(word(&block, uart + 8), 33 | 2 << 16 | 2 << 24);
        assert_eq!(word(&block, uart + 12), 0x0900_0000);
        assert_eq!(&block[uart + 20..uart + 30], b"arm,pl011\0");
    }
}

#[test]
fn other_blocks_are_refused() {
    assert_eq!(set(4).unwrap_err(), Error::OptionsVersion(4));
    let short = &mut [0; 8];
    short[..4].copy_from_slice(&MAGIC.to_le_bytes());
    short[4] = 5;
    assert!(kernel_options::set_console(short, None).is_err());
    assert!(kernel_options::set_console(&mut [], None).is_err());
}
