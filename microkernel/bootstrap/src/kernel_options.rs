//! The console in the kernel options block (`abi/07` §1). The other options are there since the image was made.

use core::mem::offset_of;

use l4_abi::boot::options::{Flags, MAGIC, OptionsV5, OptionsV6, Uart};

use crate::Error;

/// The console that firmware names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Console {
    /// The device.
    pub uart: Uart,
    /// Which of its fields are known.
    pub valid: Flags,
}

/// Checks the block at the start of `bytes`, and tells the kernel of the console in it.
pub fn set_console(bytes: &mut [u8], console: Option<&Console>) -> Result<(), Error> {
    let missing = Error::Kernel("it has no options block");
    let word = |offset: usize| Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?));
    if word(offset_of!(OptionsV5, magic)) != Some(MAGIC) {
        return Err(missing);
    }
    let (size, uart_offset) = match word(offset_of!(OptionsV5, version)).ok_or(missing)? {
        OptionsV5::VERSION => (size_of::<OptionsV5>(), offset_of!(OptionsV5, uart)),
        OptionsV6::VERSION => (size_of::<OptionsV6>(), offset_of!(OptionsV6, uart)),
        version => return Err(Error::OptionsVersion(version)),
    };
    // The flags are before the versions differ.
    let flags = word(offset_of!(OptionsV5, flags)).ok_or(missing)?;
    let bytes = bytes.get_mut(..size).ok_or(missing)?;
    let Some(Console { uart, valid }) = console else {
        return Ok(());
    };
    let mut set = |offset: usize, value: &[u8]| {
        bytes[offset..offset + value.len()].copy_from_slice(value);
    };
    set(
        offset_of!(OptionsV5, flags),
        &(flags | valid.bits()).to_le_bytes(),
    );
    let mut set = |offset: usize, value: &[u8]| set(uart_offset + offset, value);
    set(
        offset_of!(Uart, base_baud),
        &{ uart.base_baud }.to_le_bytes(),
    );
    set(offset_of!(Uart, baud), &{ uart.baud }.to_le_bytes());
    set(offset_of!(Uart, irq), &{ uart.irq }.to_le_bytes());
    set(offset_of!(Uart, register_shift), &[uart.register_shift]);
    set(offset_of!(Uart, access), &[uart.access]);
    set(offset_of!(Uart, base), &{ uart.base }.to_le_bytes());
    set(offset_of!(Uart, compatible), &uart.compatible);
    Ok(())
}
