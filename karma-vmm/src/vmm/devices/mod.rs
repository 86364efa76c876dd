//! Devices that need more than the models' plain state: a server behind them, or the program's own console.

pub mod remote;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;

use super::memory::Ram;
use super::options::Options;
use crate::devices::virtio::{Transport, console::Console};
use l4_memory::Shared;
use l4_rt::console;

/// The guest's virtio devices, as the configuration lists them; a console of the monitor's own is the last.
pub fn open(options: &Options, ram: &Ram) -> Result<Vec<Transport<Shared>>, Box<dyn Error>> {
    let mut devices = remote::open(options, ram)?;
    if options.console {
        let console = Console::new(console::write_bytes);
        devices.push(Transport::new(Box::new(console)));
    }
    Ok(devices)
}
