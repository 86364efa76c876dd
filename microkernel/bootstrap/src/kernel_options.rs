//! The kernel options block: the kernel's command line in the form that it reads (`abi/07` §1).

use core::mem::offset_of;

use l4_abi::boot::options::{DEBUGGER_COMMAND_LENGTH, Flags, MAGIC, OptionsV5, OptionsV6, Uart};

use crate::Error;

/// Options that are just there or not.
const SWITCHES: &[(&str, Flags)] = &[
    ("-wait", Flags::WAIT),
    ("-serial_esc", Flags::SERIAL_ESC),
    ("-serial_input", Flags::SERIAL_INPUT),
    ("-noserial", Flags::NO_SERIAL),
    ("-noscreen", Flags::NO_SCREEN),
    ("-esc", Flags::ESC),
    ("-nojdb", Flags::NO_DEBUGGER),
    ("-nohlt", Flags::NO_HALT),
    ("-apic", Flags::APIC),
    ("-loadcnt", Flags::LOAD_COUNT),
    ("-watchdog", Flags::WATCHDOG),
    ("-irq0", Flags::IRQ_0),
    ("-nosfn", Flags::NO_SFN),
    ("-jdb_never_stop", Flags::DEBUGGER_NEVER_STOP),
    ("-oneshot-timer", Flags::ONE_SHOT_TIMER),
];

/// Where the fields lie in a version of the block.
struct Layout {
    size: usize,
    flags: usize,
    kernel_memory: usize,
    uart: usize,
    debugger_command: usize,
    trace_entries: usize,
    output_buffer: usize,
}

macro_rules! layout {
    ($block:ty) => {
        Layout {
            size: size_of::<$block>(),
            flags: offset_of!($block, flags),
            kernel_memory: offset_of!($block, kernel_memory_kib),
            uart: offset_of!($block, uart),
            debugger_command: offset_of!($block, debugger_command),
            trace_entries: offset_of!($block, trace_entries),
            output_buffer: offset_of!($block, output_buffer),
        }
    };
}

const VERSION_5: Layout = layout!(OptionsV5);
const VERSION_6: Layout = layout!(OptionsV6);

/// The console that firmware names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Console {
    /// The device.
    pub uart: Uart,
    /// Which of its fields are known.
    pub valid: Flags,
}

/// An options block in the loaded kernel.
struct Block<'a> {
    bytes: &'a mut [u8],
    layout: Layout,
    flags: Flags,
}

/// Bytes of memory that are enough for every version of the block.
pub const MAX_SIZE: usize = VERSION_6.size;

/// Fills the block at the start of `bytes` from the words of the kernel's command line. Words that
/// are no kernel option are left to those who know them.
pub fn fill<'a>(
    bytes: &mut [u8],
    words: impl Iterator<Item = &'a str>,
    console: Option<&Console>,
) -> Result<(), Error> {
    let mut block = Block::open(bytes)?;
    for word in words {
        block.apply(word)?;
    }
    if let Some(console) = console {
        block.set_uart(&console.uart);
        block.flags |= console.valid;
    }
    let flags = block.flags.bits();
    block.put(block.layout.flags, flags);
    Ok(())
}

impl<'a> Block<'a> {
    fn open(bytes: &'a mut [u8]) -> Result<Self, Error> {
        let missing = Error::Kernel("it has no options block");
        let word = |offset: usize| Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?));
        if word(offset_of!(OptionsV5, magic)) != Some(MAGIC) {
            return Err(missing);
        }
        let layout = match word(offset_of!(OptionsV5, version)).ok_or(missing)? {
            OptionsV5::VERSION => VERSION_5,
            OptionsV6::VERSION => VERSION_6,
            version => return Err(Error::OptionsVersion(version)),
        };
        let flags = Flags::from_bits_retain(word(layout.flags).ok_or(missing)?);
        let bytes = bytes.get_mut(..layout.size).ok_or(missing)?;
        Ok(Block {
            bytes,
            layout,
            flags,
        })
    }

    fn apply(&mut self, word: &str) -> Result<(), Error> {
        if let Some((_, flag)) = SWITCHES.iter().find(|(name, _)| *name == word) {
            self.flags |= *flag;
        }
        match word.split_once('=') {
            Some(("-kmemsize", value)) => {
                self.set_number(self.layout.kernel_memory, Flags::KERNEL_MEMORY, value)
            }
            Some(("-tbuf_entries", value)) => {
                self.set_number(self.layout.trace_entries, Flags::TRACE_ENTRIES, value)
            }
            Some(("-out_buf", value)) => {
                self.set_number(self.layout.output_buffer, Flags::OUTPUT_BUFFER, value)
            }
            Some(("-isolate", value)) => self.set_isolation(value),
            Some(("-jdb_cmd", value)) => self.set_debugger_command(value),
            _ => Ok(()),
        }
    }

    fn set_number(&mut self, offset: usize, flag: Flags, value: &str) -> Result<(), Error> {
        let number = match value.strip_prefix("0x") {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
            None => value.parse(),
        };
        self.put(
            offset,
            number.map_err(|_| Error::Kernel("an option's value is no number"))?,
        );
        self.flags |= flag;
        Ok(())
    }

    fn set_isolation(&mut self, value: &str) -> Result<(), Error> {
        self.flags |= match value {
            "on" => Flags::ISOLATE,
            "off" => Flags::NO_ISOLATION,
            "auto" => Flags::empty(),
            _ => return Err(Error::Kernel("-isolate is `on`, `off` or `auto`")),
        };
        Ok(())
    }

    fn set_debugger_command(&mut self, command: &str) -> Result<(), Error> {
        if command.len() >= DEBUGGER_COMMAND_LENGTH {
            return Err(Error::Kernel("debugger command is too long"));
        }
        let start = self.layout.debugger_command;
        self.bytes[start..start + command.len()].copy_from_slice(command.as_bytes());
        self.bytes[start + command.len()] = 0;
        self.flags |= Flags::DEBUGGER_COMMAND;
        Ok(())
    }

    fn set_uart(&mut self, uart: &Uart) {
        let field = &mut self.bytes[self.layout.uart..self.layout.uart + size_of::<Uart>()];
        let mut set = |offset: usize, value: &[u8]| {
            field[offset..offset + value.len()].copy_from_slice(value)
        };
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
    }

    fn put(&mut self, offset: usize, value: u32) {
        self.bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
}
