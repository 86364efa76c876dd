//! Makes a program run in a new task, as its loader (`abi/08` §8): for ned, and for every component
//! that has components of its own.
//!
//! Whoever launches makes the objects that the program is to have ([`Parts`]) and decides what they
//! allow; [`launch`] loads the program into them, lays out its memory, gives it its capabilities and
//! starts it. It never maps the program's memory.
//!
//! * `image`: the parts of the program's file. `layout`: where the rest is.
//! * `foreign`: what programs that were made elsewhere have other wishes for (feature `foreign`).
//! * `task`: stack, fixed regions, capabilities, first thread.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]
#![forbid(unstable_features)]

extern crate alloc;

#[cfg_attr(not(feature = "foreign"), path = "native.rs")]
mod foreign;
mod image;
mod layout;
mod task;

use l4_abi::protocol::scheduler::CpuSet;
use l4_rt::CapabilityRights;
use l4_sys::object::{Factory, IpcGate, Log, Scheduler, Task, Thread};
use l4_sys::{AnyObject, Cap};
use l4re::{Dataspace, MemAlloc, RegionMap};

pub use l4_abi::l4re::UTCB_AREA;
pub use l4_sys::attempt::Attempt;

/// Why a program could not be launched.
pub type LaunchError = l4_sys::attempt::Failure<l4_loader::Error>;

/// What to run, and how.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// The ELF file.
    pub file: Cap<Dataspace>,
    /// Arguments; the first is the program's name.
    pub arguments: &'a [&'a str],
    /// Priority of its first thread.
    pub priority: u8,
    /// Where that thread may run.
    pub cpus: CpuSet,
}

/// The objects that the program is made of, and that it gets.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Made with [`UTCB_AREA`].
    pub task: Cap<Task>,
    /// Its first thread, not bound yet.
    pub thread: Cap<Thread>,
    /// Its region map, empty.
    pub map: Cap<RegionMap>,
    /// Pays for its memory.
    pub memory: Cap<MemAlloc>,
    /// Pays for its kernel objects.
    pub factory: Cap<Factory>,
    /// Sets the priorities of its threads.
    pub scheduler: Cap<Scheduler>,
    /// Learns of its end.
    pub parent: Cap<IpcGate>,
    /// Where it writes to.
    pub log: Cap<Log>,
}

/// What the launching program uses itself.
#[derive(Clone, Copy)]
pub struct Launcher {
    /// Pays for what is only needed during the launch.
    pub memory: Cap<MemAlloc>,
    /// Gives the first thread its priority.
    pub scheduler: Cap<Scheduler>,
    /// The dataspace of the kernel info page.
    pub kip: Cap<Dataspace>,
}

/// A capability that a program gets under a name.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// The name.
    pub name: &'a str,
    /// The capability.
    pub capability: Cap<AnyObject>,
    /// The rights that it gets.
    pub rights: CapabilityRights,
}

/// Loads and starts a program.
///
/// # Errors
/// If the file is no program, or a quota is used up. What was made so far goes with the parts.
pub fn launch(
    launcher: Launcher,
    program: Program<'_>,
    parts: &Parts,
    named: &[Named<'_>],
) -> Result<(), LaunchError> {
    let image = image::load(program.file, parts)?;
    task::start(launcher, program, &image, parts, named)
}
