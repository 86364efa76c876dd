//! The ACPI tables, as far as the kernel needs them: CPUs and interrupt
//! controllers (MADT), timer, power and reset registers (FADT), and what to
//! write to power off (DSDT). Numbers in brackets are sections of ACPI 6.5.
//!
//! Nothing is trusted to be well-formed: every read is checked, every loop
//! ends with its table, and what is not understood is not used.

use super::window::with_memory;

/// CPUs and I/O APICs that are looked at, at most.
pub(super) const MAX_CPUS: usize = 64;
pub(super) const MAX_IO_APICS: usize = 8;

/// Bytes of a table that are looked at, at most.
const MAX_TABLE: usize = 1 << 20;
/// Bytes of the header of every table (5.2.6).
const HEADER: usize = 36;

/// One I/O APIC: where it is, and the first interrupt that comes to it.
#[derive(Clone, Copy, Default)]
pub(super) struct IoApicEntry {
    pub(super) address: u64,
    pub(super) first_pin: u32,
}

/// The FADT's registers, all of them I/O ports; 0: none.
#[derive(Clone, Copy, Default)]
pub(super) struct Registers {
    pub(super) timer: u16,
    pub(super) control: [u16; 2],
    pub(super) command: u16,
    pub(super) enable: u8,
    pub(super) reset: u16,
    pub(super) reset_value: u8,
}

/// What the tables tell.
pub(super) struct Acpi {
    pub(super) local_apic: u64,
    pub(super) io_apics: [IoApicEntry; MAX_IO_APICS],
    pub(super) io_apic_count: usize,
    pub(super) cpus: [u32; MAX_CPUS],
    pub(super) cpu_count: usize,
    pub(super) registers: Registers,
    /// What to write to the control registers to power off (7.4.2, `_S5_`).
    pub(super) sleep_types: Option<[u8; 2]>,
}

impl Acpi {
    /// Reads the tables. `root` is where the loader found the root pointer;
    /// 0: look for it as on old PCs.
    pub(super) fn read(root: u64) -> Self {
        let mut acpi = Self {
            local_apic: 0xfee0_0000,
            io_apics: [IoApicEntry::default(); MAX_IO_APICS],
            io_apic_count: 0,
            cpus: [0; MAX_CPUS],
            cpu_count: 0,
            registers: Registers::default(),
            sleep_types: None,
        };
        let root = if root != 0 { Some(root) } else { search() };
        if let Some((address, entry_size)) = root.and_then(system_table) {
            let mut index = 0;
            while let Some(table) = with_table(address, |bytes| {
                let offset = HEADER + index * entry_size;
                match entry_size {
                    8 => read::<8>(bytes, offset).map(u64::from_le_bytes),
                    _ => read_u32(bytes, offset).map(u64::from),
                }
            })
            .flatten()
            {
                acpi.add_table(table);
                index += 1;
            }
        }
        acpi
    }

    fn add_table(&mut self, address: u64) {
        let dsdt = with_table(address, |bytes| match bytes.first_chunk() {
            Some(b"APIC") => {
                self.add_controllers(bytes);
                None
            }
            Some(b"FACP") => {
                self.registers = Registers::read(bytes);
                let wide = read::<8>(bytes, 140).map(u64::from_le_bytes);
                wide.filter(|&dsdt| dsdt != 0)
                    .or(read_u32(bytes, 40).map(u64::from))
            }
            _ => None,
        });
        if let Some(dsdt) = dsdt.flatten() {
            self.sleep_types = with_table(dsdt, find_sleep_types).flatten();
        }
    }

    /// The MADT's entries (5.2.12).
    fn add_controllers(&mut self, bytes: &[u8]) {
        if let Some(address) = read_u32(bytes, HEADER) {
            self.local_apic = u64::from(address);
        }
        let mut rest = bytes.get(HEADER + 8..).unwrap_or_default();
        while let Some(&[kind, length]) = rest.first_chunk() {
            let Some((entry, behind)) = rest.split_at_checked(usize::from(length).max(2)) else {
                break;
            };
            rest = behind;
            match kind {
                0 if read_u32(entry, 4).is_some_and(|flags| flags & 1 != 0) => {
                    self.add_cpu(u32::from(entry[3]));
                }
                9 if read_u32(entry, 8).is_some_and(|flags| flags & 1 != 0) => {
                    self.add_cpu(read_u32(entry, 4).unwrap_or_default());
                }
                1 => {
                    if let (Some(address), Some(first_pin), Some(place)) = (
                        read_u32(entry, 4),
                        read_u32(entry, 8),
                        self.io_apics.get_mut(self.io_apic_count),
                    ) {
                        *place = IoApicEntry {
                            address: u64::from(address),
                            first_pin,
                        };
                        self.io_apic_count += 1;
                    }
                }
                5 => {
                    if let Some(address) = read::<8>(entry, 4) {
                        self.local_apic = u64::from_le_bytes(address);
                    }
                }
                _ => {}
            }
        }
    }

    /// Adds a CPU; some tables tell of one twice.
    fn add_cpu(&mut self, id: u32) {
        let is_new = !self.cpus[..self.cpu_count].contains(&id);
        if let Some(place) = self.cpus.get_mut(self.cpu_count).filter(|_| is_new) {
            *place = id;
            self.cpu_count += 1;
        }
    }
}

impl Registers {
    /// The FADT's fields (5.2.9).
    fn read(bytes: &[u8]) -> Self {
        const RESET_SUPPORTED: u32 = 1 << 10;
        const IO_SPACE: u8 = 1;
        let port = |offset| read_u32(bytes, offset).map_or(0, |port| port as u16);
        let byte = |offset| bytes.get(offset).copied().unwrap_or_default();
        let can_reset = read_u32(bytes, 112).is_some_and(|flags| flags & RESET_SUPPORTED != 0)
            && byte(116) == IO_SPACE;
        Self {
            timer: port(76),
            control: [port(64), port(68)],
            command: port(48),
            enable: byte(52),
            reset: if can_reset { port(120) } else { 0 },
            reset_value: byte(128),
        }
    }
}

fn read<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    read(bytes, offset).map(u32::from_le_bytes)
}

fn is_sum_zero(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
        == 0
}

/// Lets `look` see the table at `address`, if there is one.
fn with_table<R>(address: u64, look: impl FnOnce(&[u8]) -> R) -> Option<R> {
    // SAFETY: firmware's tables are not in use by anyone yet.
    unsafe {
        let length = with_memory(address, HEADER, |bytes| read_u32(bytes, 4))?? as usize;
        if !(HEADER..=MAX_TABLE).contains(&length) {
            return None;
        }
        with_memory(address, length, |bytes| {
            (bytes.len() == length && is_sum_zero(bytes)).then(|| look(bytes))
        })?
    }
}

const ROOT_SIGNATURE: &[u8; 8] = b"RSD PTR ";

/// Looks for the root pointer where BIOSes have it (5.2.5.1).
fn search() -> Option<u64> {
    const EBDA_POINTER: u64 = 0x40e;
    // SAFETY: memory that belongs to firmware.
    let segment = unsafe { with_memory(EBDA_POINTER, 2, |bytes| read(bytes, 0)) }??;
    let areas = [
        (u64::from(u16::from_le_bytes(segment)) << 4, 1 << 10),
        (0xe_0000, 2 << 16),
    ];
    areas.into_iter().find_map(|(start, size)| {
        // SAFETY: likewise.
        let found = unsafe {
            with_memory(start, size, |bytes| {
                bytes.chunks(16).zip(0..).find_map(|(chunk, index)| {
                    let candidate = bytes.get(index * 16..index * 16 + 20)?;
                    (chunk.starts_with(ROOT_SIGNATURE) && is_sum_zero(candidate)).then_some(index)
                })
            })
        };
        found.flatten().map(|index| start + index as u64 * 16)
    })
}

/// The table of tables, and the bytes of its entries (5.2.5.3).
fn system_table(root: u64) -> Option<(u64, usize)> {
    // SAFETY: memory that belongs to firmware.
    unsafe {
        with_memory(root, 36, |bytes| {
            if !bytes.starts_with(ROOT_SIGNATURE) {
                return None;
            }
            let wide = read::<8>(bytes, 24).map_or(0, u64::from_le_bytes);
            if bytes.get(15).is_some_and(|&revision| revision >= 2) && wide != 0 {
                return Some((wide, 8));
            }
            Some((u64::from(read_u32(bytes, 16)?), 4))
        })?
    }
}

/// The first two values of the package `_S5_`, which without an interpreter
/// is looked for by its bytes (20.2: name, package, length, count, values).
fn find_sleep_types(bytes: &[u8]) -> Option<[u8; 2]> {
    const NAME: &[u8] = b"_S5_";
    const PACKAGE: u8 = 0x12;
    let start = bytes
        .windows(NAME.len())
        .position(|window| window == NAME)?;
    let mut rest = bytes.get(start + NAME.len()..)?;
    let mut next = |count: usize| {
        let byte = *rest.get(count)?;
        rest = rest.get(count + 1..)?;
        Some(byte)
    };
    if next(0)? != PACKAGE {
        return None;
    }
    // The two high bits of the length tell how many bytes of it follow.
    let more = next(0)? >> 6;
    let _count = next(usize::from(more))?;
    let mut value = || match next(0)? {
        small @ (0 | 1) => Some(small),
        0x0a => next(0),
        _ => None,
    };
    Some([value()?, value()?])
}

#[cfg(test)]
#[path = "acpi/tests.rs"]
mod tests;
