//! Model-specific registers that a guest's CPU answers, beside those of its local APIC and those that are
//! its own while it runs. Every other one is a general protection fault, which systems expect.

use super::devices::paravirtual_clock::{Scale, write_system_time, write_wall_clock};
use l4_memory::Memory;

const APIC_BASE: u32 = 0x1b;
const MICROCODE: u32 = 0x8b;
/// What Intel's CPUs have turned on, and its value: fast string instructions, and no traces of branches or events.
const MISCELLANEOUS: (u32, u64) = (0x1a0, 1 << 0 | 1 << 11 | 1 << 12);
const WALL_CLOCK: u32 = 0x4b56_4d00;
const SYSTEM_TIME: u32 = 0x4b56_4d01;
const HARDWARE_CONFIGURATION: u32 = 0xc001_0015;
const DECODE_CONFIGURATION: u32 = 0xc001_1029;
/// Registers of AMD's CPUs that are read at start and have nothing set.
const EMPTY: [u32; 3] = [0xc001_0055, 0xc001_001f, 0xc001_0117];

/// In the clock's register: the page is in use.
const CLOCK_ENABLED: u64 = 1;
/// In the base register: enabled, in x2APIC mode, on the first CPU.
const APIC_X2: u64 = 0xfee0_0c00;
const APIC_FIRST: u64 = 1 << 8;

/// Not a register, or not a value for it: the guest gets a general protection fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchRegister;

/// Those of one CPU.
#[derive(Debug)]
pub struct Registers {
    apic_base: Option<u64>,
    hardware_configuration: u64,
    decode_configuration: u64,
}

impl Registers {
    /// Of CPU number `id`.
    pub fn new(id: u32, has_apic: bool) -> Self {
        let first = if id == 0 { APIC_FIRST } else { 0 };
        Self {
            apic_base: has_apic.then_some(APIC_X2 | first),
            hardware_configuration: 0,
            decode_configuration: 0,
        }
    }

    /// The guest reads a register.
    pub fn read(&self, msr: u32) -> Result<u64, NoSuchRegister> {
        match msr {
            APIC_BASE => self.apic_base.ok_or(NoSuchRegister),
            HARDWARE_CONFIGURATION => Ok(self.hardware_configuration),
            DECODE_CONFIGURATION => Ok(self.decode_configuration),
            MICROCODE => Ok(0),
            _ if msr == MISCELLANEOUS.0 => Ok(MISCELLANEOUS.1),
            _ if EMPTY.contains(&msr) => Ok(0),
            _ => Err(NoSuchRegister),
        }
    }

    /// The guest writes a register. `scale` makes nanoseconds of its counter, and of them it has had `nanoseconds`
    /// when that was 0.
    pub fn write(
        &mut self,
        msr: u32,
        value: u64,
        memory: &impl Memory,
        (scale, nanoseconds): (Scale, u64),
    ) -> Result<(), NoSuchRegister> {
        let fault = |_| NoSuchRegister;
        match msr {
            APIC_BASE if self.apic_base == Some(value) => {}
            HARDWARE_CONFIGURATION => self.hardware_configuration = value,
            DECODE_CONFIGURATION => self.decode_configuration = value,
            MICROCODE => {}
            SYSTEM_TIME if value & CLOCK_ENABLED == 0 => {}
            SYSTEM_TIME => {
                let page = value & !CLOCK_ENABLED;
                write_system_time(memory, page, scale, nanoseconds).map_err(fault)?;
            }
            WALL_CLOCK => write_wall_clock(memory, value).map_err(fault)?,
            _ => return Err(NoSuchRegister),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use l4_virtio::fixture::Ram;

    fn now() -> (Scale, u64) {
        (Scale::new(1_000_000_000), 9)
    }

    #[test]
    fn the_clock_is_written_where_the_guest_wants_it_or_faults() {
        let memory = Ram::new(0x1000);
        let mut registers = Registers::new(0, false);
        assert_eq!(
            registers.write(SYSTEM_TIME, 0x100 | CLOCK_ENABLED, &memory, now()),
            Ok(())
        );
        assert_eq!(memory.load(0x110), Ok(9));
        assert_eq!(registers.write(WALL_CLOCK, 0x200, &memory, now()), Ok(()));
        assert_eq!(memory.load(0x200), Ok(2));
        assert_eq!(
            registers.write(SYSTEM_TIME, 0x200, &memory, now()),
            Ok(()),
            "switched off"
        );
        assert_eq!(memory.load(0x208), Ok(0));
        for wild in [0x1000, u64::MAX] {
            assert_eq!(
                registers.write(SYSTEM_TIME, wild | 1, &memory, now()),
                Err(NoSuchRegister)
            );
            assert_eq!(
                registers.write(WALL_CLOCK, wild, &memory, now()),
                Err(NoSuchRegister)
            );
        }
    }

    #[test]
    fn a_cpu_with_an_apic_says_so_and_cannot_move_it() {
        let memory = Ram::new(16);
        let mut first = Registers::new(0, true);
        assert_eq!(first.read(APIC_BASE), Ok(0xfee0_0d00));
        assert_eq!(Registers::new(1, true).read(APIC_BASE), Ok(0xfee0_0c00));
        assert_eq!(
            Registers::new(0, false).read(APIC_BASE),
            Err(NoSuchRegister)
        );
        assert_eq!(first.write(APIC_BASE, 0xfee0_0d00, &memory, now()), Ok(()));
        assert_eq!(
            first.write(APIC_BASE, 0xfee0_0900, &memory, now()),
            Err(NoSuchRegister)
        );
    }

    #[test]
    fn unknown_registers_fault() {
        let mut registers = Registers::new(0, true);
        assert_eq!(registers.read(0x1234), Err(NoSuchRegister));
        assert_eq!(
            registers.write(0x1234, 0, &Ram::new(0), now()),
            Err(NoSuchRegister)
        );
    }
}
