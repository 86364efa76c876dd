//! The kernel options block: the kernel's command line in the form that it reads (`abi/07` §1), put into the
//! kernel's file when an image is made of it. Only what firmware tells of the console comes when it boots.

use core::mem::offset_of;

use l4_abi::boot::options::{DEBUGGER_COMMAND_LENGTH, Flags, MAGIC, OptionsV5, OptionsV6};
use l4_abi::boot::{PT_L4_KERNEL_OPTIONS, PT_L4_KIP};
use l4_abi::kip;
use l4_loader::{Elf, elf::segment_type};

use crate::write::Error;

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
            debugger_command: offset_of!($block, debugger_command),
            trace_entries: offset_of!($block, trace_entries),
            output_buffer: offset_of!($block, output_buffer),
        }
    };
}

const VERSION_5: Layout = layout!(OptionsV5);
const VERSION_6: Layout = layout!(OptionsV6);

/// An options block.
struct Block<'a> {
    bytes: &'a mut [u8],
    layout: Layout,
    flags: Flags,
}

/// Fills the block in the kernel's ELF file from the words of its command line. Words that are no kernel option
/// are left to those who know them.
pub fn fill<'a>(kernel: &mut [u8], words: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let at = place(kernel)?;
    let mut block = Block::open(&mut kernel[at..])?;
    for word in words {
        block.apply(word)?;
    }
    let flags = block.flags.bits();
    block.put(block.layout.flags, flags);
    Ok(())
}

/// Where in the file the block is. A kernel that does not say where its options are has them behind the kernel
/// info page.
fn place(kernel: &[u8]) -> Result<usize, Error> {
    let elf = Elf::parse(kernel).map_err(|_| Error::Kernel("it is no ELF program"))?;
    let address = |kind| Some(elf.find(kind)?.physical_address);
    let behind = || Some(address(PT_L4_KIP)?.wrapping_add(kip::SIZE as u64));
    let address = address(PT_L4_KERNEL_OPTIONS).or_else(behind);
    let place = address.and_then(|address| {
        let mut parts = elf
            .program_headers()
            .filter(|part| part.kind == segment_type::LOAD);
        parts.find_map(|part| {
            let inside = address.checked_sub(part.physical_address)?;
            (inside < part.file_size).then_some((part.offset + inside) as usize)
        })
    });
    place.ok_or(Error::Kernel("it has no options block"))
}

impl<'a> Block<'a> {
    fn open(bytes: &'a mut [u8]) -> Result<Self, Error> {
        let missing = || Error::Kernel("it has no options block");
        let word = |offset: usize| Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?));
        if word(offset_of!(OptionsV5, magic)) != Some(MAGIC) {
            return Err(missing());
        }
        let layout = match word(offset_of!(OptionsV5, version)).ok_or_else(missing)? {
            OptionsV5::VERSION => VERSION_5,
            OptionsV6::VERSION => VERSION_6,
            _ => {
                return Err(Error::Kernel(
                    "its options block has another version than 5 or 6",
                ));
            }
        };
        let bytes = bytes.get_mut(..layout.size).ok_or_else(missing)?;
        Ok(Block {
            bytes,
            layout,
            flags: Flags::empty(),
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

    fn put(&mut self, offset: usize, value: u32) {
        self.bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
