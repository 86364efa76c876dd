//! The monitor of one virtual machine, as a program: what it adds to the models. The guest's memory, clock and
//! input, and in a folder for each architecture the loop that runs the guest and serves its exits.

pub mod alarm;
#[cfg(feature = "component")]
pub mod component;
#[cfg_attr(not(feature = "virtio"), path = "devices/absent.rs")]
pub mod devices;
pub mod files;
pub mod input;
pub mod memory;
pub mod options;
pub mod provider;
#[cfg(all(feature = "root", target_os = "none"))]
pub mod root;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;

use crate::end::End;
use crate::guest_loop;
use crate::statistics::Statistics;
use l4_abi::protocol::scheduler::CpuSet;
use l4_rt::{console, env, println};
use options::Options;
use provider::Provider;

fn run(provider: Provider) -> Result<i32, Box<dyn Error>> {
    let options = Options::parse(l4_rt::env::args().skip(1))?;
    let (stop, statistics) = guest_loop::run(&options, provider)?;
    if options.statistics {
        statistics.print();
    }
    console::flush();
    Ok(stop.code())
}

impl Statistics {
    /// Shows them, behind what the guest has printed.
    pub fn print(&self) {
        console::flush();
        println!("{self}");
    }
}

/// Prints what a guest prints.
pub fn print(byte: u8) {
    console::write_bytes(&[byte]);
}

/// The machine's CPUs are on those of the host that the component may use, in turns.
pub fn host_cpu(number: usize) -> l4_sys::Result<CpuSet> {
    let present = env::scheduler().info()?.cpus;
    let all: Vec<u32> = (0..u64::BITS)
        .filter(|cpu| present >> cpu & 1 != 0)
        .collect();
    let own = all.get(number % all.len().max(1));
    Ok(own.map_or(CpuSet::ALL, |cpu| CpuSet::single(*cpu)))
}

/// Why a machine does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The guest has ended it.
    End(End),
    /// The guest did what the machine does not have.
    Fault,
}

impl Stop {
    /// The program's exit code. Whether a guest that wants to start anew does so is for the component's restart
    /// policy.
    fn code(&self) -> i32 {
        match self {
            Self::End(End::Off) => 0,
            Self::End(End::Reset) => 2,
            Self::Fault => 3,
        }
    }
}
