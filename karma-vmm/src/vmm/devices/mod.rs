//! Devices that need more than the models' plain state: a server behind them, or the program's own console.

pub mod remote;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;

use super::memory::Ram;
use super::options::Options;
use crate::devices::virtio::{Devices, console::Console};
use l4_memory::Shared;
use l4_rt::console;
use remote::Backing;

pub use remote::number;

/// Devices of servers that a machine can have: there is a place for one more, a console.
pub const MAX_DEVICES: usize = 6;

/// The virtio devices that the configuration asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Those of servers, in the order in which the guest finds them.
    pub of_servers: Vec<Backing>,
    /// A console of the monitor's own, behind the others.
    pub console: bool,
}

impl Wanted {
    /// Notes what an argument asks for, if that is a device for which there is room.
    pub fn accept(&mut self, argument: &'static str) -> bool {
        if argument == "virtio-console" {
            self.console = true;
            return true;
        }
        let device = argument.split_once('=');
        let device = device.and_then(|(word, channel)| Backing::new(word, channel));
        let has_room = self.of_servers.len() < MAX_DEVICES;
        let device = device.filter(|_| has_room);
        self.of_servers.extend(device);
        device.is_some()
    }
}

/// The guest's virtio devices.
pub fn open(options: &Options, ram: &Ram) -> Result<Devices<Shared>, Box<dyn Error>> {
    let mut devices = Devices::default();
    remote::open(&mut devices, options, ram)?;
    if options.devices.console {
        devices.add(Console::new(console::write_bytes));
    }
    Ok(devices)
}
