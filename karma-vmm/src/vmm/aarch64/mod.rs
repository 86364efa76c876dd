//! aarch64: a machine with one CPU, whose guest is at EL1 (`abi/06` §5.3).

mod cpu;
mod exits;

use alloc::boxed::Box;
use core::error::Error;

use crate::aarch64::kernel_image::{self, File};
use crate::aarch64::platform::Platform;
use crate::statistics::Statistics;
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_memory::Shared;
use l4_rt::{console, env, print, println};
use l4_sys::ipc;

use super::code;
use super::files;
use super::input::Input;
use super::memory::Ram;
use super::options::Options;
use cpu::Cpu;

/// Label of the interrupt that says that something was typed.
const INPUT: u64 = 0x20;
/// Bytes of input that are taken at once.
const TYPED: usize = 16;

/// A virtual machine.
struct Machine {
    cpu: Cpu,
    platform: Platform<Shared>,
    ram: Ram,
    input: Input,
    statistics: Statistics,
    /// Input may wait that had no room.
    has_input: bool,
}

/// Why the machine does not go on.
enum Stop {
    /// The guest has switched it off.
    Off,
    /// The guest wants to start anew.
    Reset,
    /// The guest did what the machine does not have.
    Fault,
}

/// Runs the guest until it ends.
pub(super) fn run(options: &Options) -> Result<i32, Box<dyn Error>> {
    let mut machine = Machine::new(options)?;
    let stop = loop {
        if let Some(stop) = machine.step()? {
            break stop;
        }
    };
    console::flush();
    if options.statistics {
        println!("{}", machine.statistics);
    }
    Ok(match stop {
        Stop::Off => code::OFF,
        Stop::Reset => code::RESET,
        Stop::Fault => code::STOPPED,
    })
}

impl Machine {
    fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        if !options.devices.is_empty() {
            return Err("devices of servers are not there yet on aarch64".into());
        }
        let vm = env::factory().create_vm()?;
        let ram = Ram::new(options.memory, *vm)?;
        let Some(kernel) = files::open("linux")? else {
            return Err("there is no file 'linux' in rom".into());
        };
        let ram_disk = files::open("initramfs")?;
        let ram_disk = ram_disk.as_ref().map(|disk| File {
            content: &disk.content,
            size: disk.content.size(),
        });
        let print = |byte: u8| print!("{}", byte as char);
        let platform = Platform::new(Box::new(print));
        let kernel = File {
            content: &kernel.content,
            size: kernel.content.size(),
        };
        let entry = kernel_image::load(
            &ram.shared,
            options.memory,
            &kernel,
            ram_disk.as_ref(),
            options.command_line,
            platform.devices(),
        )?;
        Ok(Self {
            cpu: Cpu::new(vm, &entry)?,
            platform,
            ram,
            input: Input::new(INPUT)?,
            statistics: Statistics::default(),
            has_input: false,
        })
    }

    /// Runs the guest until it exits, and serves the exit.
    fn step(&mut self) -> Result<Option<Stop>, Box<dyn Error>> {
        self.offer_interrupts();
        self.cpu.run()?;
        Ok(self.serve_exit())
    }

    /// Shows the guest the interrupts that wait.
    fn offer_interrupts(&mut self) {
        if self.has_input {
            self.type_in();
        }
        self.platform.update_lines();
        let mut lists = self.cpu.guest.lists();
        self.platform.gic.offer(&mut lists);
        self.cpu.guest.set_lists(lists);
    }

    /// The guest waits for an interrupt.
    fn wait(&mut self) {
        console::flush();
        loop {
            self.offer_interrupts();
            if self.platform.gic.is_waiting(&self.cpu.guest.lists()) {
                return;
            }
            let timeout = match self.cpu.until_timer() {
                Some(0) => {
                    self.cpu.mask_timer();
                    self.platform.timer();
                    continue;
                }
                Some(microseconds) => Timeout::from_micros(microseconds),
                None => Timeout::NEVER,
            };
            self.receive(TimeoutPair::new(Timeout::NEVER, timeout));
        }
    }

    /// Takes messages: the first within its timeout, then all that wait.
    fn receive(&mut self, timeouts: TimeoutPair) {
        let mut arrival = ipc::wait(timeouts);
        while let Ok(message) = arrival {
            self.arrived(message.label);
            arrival = ipc::wait(TimeoutPair::RECEIVE_ZERO);
        }
    }

    fn arrived(&mut self, label: u64) {
        if label == INPUT {
            self.type_in();
        }
    }

    fn type_in(&mut self) {
        let mut typed = [0; TYPED];
        let room = self.platform.room().min(TYPED);
        let count = self.input.read(&mut typed[..room]);
        self.platform.type_in(&typed[..count]);
        self.has_input = count == room;
    }
}
