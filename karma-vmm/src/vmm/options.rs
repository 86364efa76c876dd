//! What the configuration says of the virtual machine: the program's arguments.

use super::devices::Wanted;
use core::fmt;

/// CPUs that a machine can have.
pub const MAX_CPUS: u8 = if cfg!(feature = "smp") { 16 } else { 1 };

/// The virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of memory.
    pub memory: u64,
    /// CPUs, from 1 to [`MAX_CPUS`].
    pub cpus: u8,
    /// Name of the kernel's file.
    pub kernel: &'static str,
    /// The kernel's command line.
    pub command_line: &'static str,
    /// Virtio devices.
    pub devices: Wanted,
    /// Tell why the guest left the machine, when it ends.
    pub statistics: bool,
}

/// An argument that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadArgument(&'static str);

impl fmt::Display for BadArgument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "'{}' is none of memory=SIZE, kernel=NAME, command-line=TEXT, statistics, with the program's feature smp cpus=NUMBER, with virtio block=CHANNEL, net=CHANNEL, entropy=CHANNEL, virtio-console",
            self.0
        )
    }
}

impl core::error::Error for BadArgument {}

impl Options {
    /// Reads arguments.
    pub fn parse(arguments: impl Iterator<Item = &'static str>) -> Result<Self, BadArgument> {
        let mut options = Self {
            memory: 128 << 20,
            cpus: 1,
            kernel: "linux",
            command_line: "",
            devices: Wanted::default(),
            statistics: false,
        };
        for argument in arguments {
            let bad = BadArgument(argument);
            match argument.split_once('=') {
                Some(("memory", size)) => options.memory = bytes(size).ok_or(bad)?,
                Some(("cpus", number)) => options.cpus = cpus(number).ok_or(bad)?,
                Some(("kernel", name)) => options.kernel = name,
                Some(("command-line", text)) => options.command_line = text,
                None if argument == "statistics" => options.statistics = true,
                _ if options.devices.accept(argument) => {}
                _ => return Err(bad),
            }
        }
        Ok(options)
    }
}

/// How many CPUs.
fn cpus(number: &str) -> Option<u8> {
    number
        .parse()
        .ok()
        .filter(|number| (1..=MAX_CPUS).contains(number))
}

/// A number of bytes, with a unit perhaps.
fn bytes(size: &str) -> Option<u64> {
    let (number, shift) = match size.split_at_checked(size.len().checked_sub(1)?)? {
        (number, "K") => (number, 10),
        (number, "M") => (number, 20),
        (number, "G") => (number, 30),
        _ => (size, 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vmm::devices::MAX_DEVICES;

    #[test]
    fn arguments_are_taken_one_by_one() {
        let arguments = [
            "memory=64M",
            "cpus=2",
            "kernel=other",
            "command-line=quiet",
            "block=disk",
            "virtio-console",
            "statistics",
        ];
        let options = Options::parse(arguments.into_iter()).unwrap();
        assert_eq!(options.devices.of_servers[0].channel, "disk");
        assert_eq!((options.memory, options.cpus), (64 << 20, 2));
        assert_eq!((options.kernel, options.command_line), ("other", "quiet"));
        assert!(options.devices.console && options.statistics);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for argument in [
            "",
            "memory",
            "memory=",
            "memory=M",
            "memory=99999999999G",
            "cpus=0",
            "cpus=17",
        ] {
            let refused = Options::parse([argument].into_iter());
            assert_eq!(refused, Err(BadArgument(argument)));
        }
    }

    #[test]
    fn a_console_finds_room_behind_as_many_devices_as_there_can_be() {
        let devices = |count| Options::parse(["net=net"].into_iter().cycle().take(count));
        let most = devices(MAX_DEVICES).unwrap().devices;
        assert_eq!(most.of_servers.len(), MAX_DEVICES);
        assert!(devices(MAX_DEVICES + 1).is_err());
        const { assert!(MAX_DEVICES < crate::aarch64::platform::MAX_DEVICES) };
        const { assert!(MAX_DEVICES < crate::x86_64::devices::pci::MAX_DEVICES) };
    }
}
