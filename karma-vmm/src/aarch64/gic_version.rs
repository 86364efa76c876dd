//! Which version of the interrupt controller the machine has: the host's. Version 2 is chosen here, and nowhere
//! else: without the feature `gic-v2` there is `absent.rs` in its place, and no model of version 2.

use alloc::boxed::Box;
use core::error::Error;

use super::devices::gic::{Gic, v2, v3};
use super::platform::CPU_INTERFACE;

/// Which kind of controller it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// All its registers are in memory.
    V2,
    /// CPUs have theirs, but for redistributors.
    V3,
}

impl Version {
    /// That of the host, for so many CPUs. In version 2 their interface is a page of the hardware's, which `map`
    /// shows the guest at an address.
    ///
    /// # Errors
    /// If there are too many, or there is no such page.
    pub fn new<E: Error + 'static>(
        version: u8,
        cpus: u8,
        map: impl FnOnce(u64) -> Result<(), E>,
    ) -> Result<Self, Box<dyn Error>> {
        if version != 2 {
            return Ok(Self::V3);
        }
        if cpus > v2::MAX_CPUS {
            return Err("with a GIC of version 2 a machine can have 8 CPUs at most".into());
        }
        map(CPU_INTERFACE)?;
        Ok(Self::V2)
    }

    /// The list registers in the words of a vCPU's state, of which version 2 has two in each, as version 3 has them.
    pub fn widen(self, words: [u64; 4]) -> [u64; 4] {
        match self {
            Self::V2 => {
                [0, 1, 2, 3].map(|index| v2::widen((words[index / 2] >> (index % 2 * 32)) as u32))
            }
            Self::V3 => words,
        }
    }

    /// The words of a vCPU's state with these list registers.
    pub fn narrow(self, lists: [u64; 4]) -> [u64; 4] {
        match self {
            Self::V2 => {
                let [a, b, c, d] = lists.map(|list| u64::from(v2::narrow(list)));
                [b << 32 | a, d << 32 | c, 0, 0]
            }
            Self::V3 => lists,
        }
    }
}

/// What device trees call the controller, and where the registers are, with their bytes, that are not the
/// distributor's.
pub(crate) fn interfaces(version: Version, cpus: u8) -> (&'static str, u64, u64) {
    match version {
        Version::V2 => v2::INTERFACES,
        Version::V3 => v3::interfaces(version, cpus),
    }
}

/// A CPU reads the distributor.
pub(super) fn read(gic: &Gic, cpu: usize, offset: u64, size: u8) -> u64 {
    match gic.version {
        Version::V2 => gic.read_v2(cpu, offset, size),
        Version::V3 => v3::read(gic, cpu, offset, size),
    }
}

/// A CPU writes the distributor.
pub(super) fn write(gic: &mut Gic, cpu: usize, offset: u64, size: u8, value: u64) {
    match gic.version {
        Version::V2 => gic.write_v2(cpu, offset, size, value),
        Version::V3 => v3::write(gic, cpu, offset, size, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_hosts_and_a_machine_of_version_2_has_a_page_and_few_cpus() {
        let new = |version, cpus| {
            let mut page = None;
            let made = Version::new(version, cpus, |address| -> Result<(), core::fmt::Error> {
                page = Some(address);
                Ok(())
            });
            (made.ok(), page)
        };
        assert_eq!(new(3, 16), (Some(Version::V3), None));
        assert_eq!(new(2, 8), (Some(Version::V2), Some(CPU_INTERFACE)));
        assert_eq!(new(2, 9), (None, None));
        let refused = Version::new(2, 1, |_| Err(core::fmt::Error));
        assert!(refused.is_err());
    }

    #[test]
    fn list_registers_of_version_2_are_two_in_a_word() {
        let lists = [27, 1 << 62 | 33, 0, 2 << 62 | 34];
        let words = Version::V2.narrow(lists);
        assert_eq!(words[0], (1 << 28 | 33) << 32 | 27);
        assert_eq!(words[1], (2 << 28 | 34) << 32);
        assert_eq!(words[2..], [0, 0]);
        assert_eq!(Version::V2.widen(words), lists);
        assert_eq!(Version::V3.widen(Version::V3.narrow(lists)), lists);
    }
}
