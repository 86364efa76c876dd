//! ned makes a system out of its description: it creates the components with exactly the
//! capabilities that they are to have, starts them, and watches them until the system ends.
//!
//! * [`system`]: the whole, and the loop that watches.
//! * [`grants`]: who gets what of channels and shared memory.
//! * [`instance`]: one running component: creating, loading, starting, removing it.
//! * [`supervision`]: what follows when one ends: again, not again, or the end of the system.
//! * [`per_client`]: gates that servers make for each client (feature `per-client`).
//! * [`failure_report`]: registers and backtrace of a component that failed.
//! * [`label`]: how messages name what they are about. [`signal`]: what components say in them.
//! * [`console`]: lines of the system itself, and its end.
//!
//! ned holds what components may not have: the kernel's scheduler, interrupt controller and log,
//! and the factory with all kernel memory. It never waits for a component.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]
#![forbid(unstable_features)]

extern crate alloc;

#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
#[cfg_attr(not(target_arch = "aarch64"), path = "x86_64/mod.rs")]
mod arch;

pub mod console;
pub mod failure_report;
pub mod grants;
pub mod instance;
pub mod label;
#[cfg_attr(not(feature = "per-client"), path = "per_client/absent.rs")]
pub mod per_client;
pub mod signal;
pub mod supervision;
pub mod system;

use alloc::format;
use alloc::string::String;

use l4_memory::Shared;
use l4_rt::env;
use l4re::{Dataspace, Namespace};
use system_description::{Description, MODULE_NAME};

use console::Console;
use system::System;

/// Reads the description and brings the system up; returns only if that is impossible.
pub fn main() -> Result<(), l4_rt::env::MissingCapability> {
    let console = Console::new()?;
    let rom = env::cap::<Namespace>("rom")?;
    let description = read_description(&rom).unwrap_or_else(|why| console.fail(&why));
    let description = Description::parse(&description)
        .unwrap_or_else(|error| console.fail(&format!("{error}; build the image anew")));
    match System::new(&description, console, rom) {
        Ok(system) => system.run(),
        Err(why) => console.fail(&why),
    }
}

fn read_description(rom: &Namespace) -> Result<alloc::vec::Vec<u8>, String> {
    let cannot = |error| format!("cannot read the boot module `{MODULE_NAME}`: {error}");
    let module = rom.lookup::<Dataspace>(MODULE_NAME).map_err(cannot)?;
    Ok(Shared::read_only(module.as_cap()).map_err(cannot)?.to_vec())
}
