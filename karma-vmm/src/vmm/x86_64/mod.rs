//! x86_64: a PC with one CPU, under SVM (`abi/06` §5.1).

mod control_block;
mod exits;

use alloc::boxed::Box;
use core::error::Error;

use crate::devices::virtio::Transport;
use crate::statistics::Statistics;
use crate::x86_64::debug_registers::DebugRegisters;
use crate::x86_64::kernel_image::{self, File};
use crate::x86_64::msr::Registers;
use crate::x86_64::paravirtual_clock::Scale;
use crate::x86_64::platform::{End, Platform};
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_memory::Shared;
use l4_rt::{console, env, print, println, time};
use l4_sys::ipc;
use l4_sys::vcpu::GuestEnd;

use super::alarm::{self, Alarm};
use super::code;
use super::files;
use super::input::Input;
use super::memory::Ram;
use super::options::Options;
use super::remote::Remote;
use control_block::Cpu;

/// Labels of the interrupts that the vCPU gets.
const ALARM: u64 = 0x10;
const INPUT: u64 = 0x20;
/// Of the first server's device; those of the others follow, four apart.
const DEVICES: u64 = 0x100;
/// Bytes of input that are taken at once: the serial port has room for as many.
const TYPED: usize = 16;

/// A virtual machine.
struct Machine {
    cpu: Cpu,
    registers: Registers,
    debug_registers: DebugRegisters,
    platform: Platform<Shared>,
    ram: Ram,
    alarm: Alarm,
    input: Input,
    statistics: Statistics,
    scale: Scale,
    /// When it started, in nanoseconds since boot.
    started: u64,
    /// Input may wait that had no room.
    has_input: bool,
}

/// Why the machine does not go on.
enum Stop {
    /// The guest has ended it.
    End(End),
    /// The guest did what the machine does not have.
    Fault,
}

/// Runs the guest until it ends.
pub(crate) fn run(options: &Options) -> Result<i32, Box<dyn Error>> {
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
        Stop::End(End::Off) => code::OFF,
        Stop::End(End::Reset) => code::RESET,
        Stop::Fault => code::STOPPED,
    })
}

impl Machine {
    fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        let vm = env::factory().create_vm()?;
        let ram = Ram::new(options.memory, *vm)?;
        let Some(kernel) = files::open("linux")? else {
            return Err("there is no file 'linux' in rom".into());
        };
        let ram_disk = files::open("initramfs")?;
        let file = |file: &'_ files::RomFile| file.content.size();
        let ram_disk = ram_disk.as_ref().map(|disk| File {
            content: &disk.content,
            size: file(disk),
        });
        let entry = kernel_image::load(
            &ram.shared,
            options.memory,
            &File {
                content: &kernel.content,
                size: file(&kernel),
            },
            ram_disk.as_ref(),
            options.command_line,
            0,
        )?;
        let mut cpu = Cpu::new(vm)?;
        cpu.start(&entry);
        let print = |byte: u8| print!("{}", byte as char);
        let mut platform = Platform::new(Box::new(print));
        for (number, backing) in (0..).zip(&options.devices) {
            let device = Remote::new(
                *backing,
                ram.dataspace(),
                options.memory,
                DEVICES + 4 * number,
            )?;
            platform.add(Transport::new(Box::new(device)));
        }
        Ok(Self {
            cpu,
            registers: Registers::new(0, false),
            debug_registers: DebugRegisters::default(),
            platform,
            ram,
            alarm: Alarm::new(ALARM)?,
            input: Input::new(INPUT)?,
            statistics: Statistics::default(),
            scale: Scale::new(time::counter_frequency()),
            started: alarm::now(),
            has_input: false,
        })
    }

    /// Runs the guest until it exits, and serves the exit.
    fn step(&mut self) -> Result<Option<Stop>, Box<dyn Error>> {
        self.offer_interrupt();
        self.alarm.set(self.platform.deadline());
        match self.cpu.run()? {
            GuestEnd::Exit => Ok(self.serve_exit()),
            GuestEnd::Pending | GuestEnd::Entered => {
                self.statistics.count("message", None);
                self.receive(TimeoutPair::RECEIVE_ZERO);
                Ok(None)
            }
        }
    }

    /// Lets the guest take an interrupt, if there is one: now, or as soon as it can.
    fn offer_interrupt(&mut self) {
        if self.has_input {
            self.type_in();
        }
        let wants = self.platform.interrupts(alarm::now());
        if wants && self.cpu.takes_interrupts() {
            let vector = self.platform.acknowledge();
            self.cpu.inject(vector);
        } else {
            self.cpu.set_window(wants);
        }
    }

    /// The guest waits for an interrupt.
    fn halt(&mut self) {
        console::flush();
        while !self.platform.interrupts(alarm::now()) {
            let timeout = match self.platform.deadline() {
                Some(due) => {
                    let left = due.saturating_sub(alarm::now());
                    Timeout::from_micros(left / 1000 + 1)
                }
                None => Timeout::NEVER,
            };
            self.receive(TimeoutPair::new(Timeout::NEVER, timeout));
        }
    }

    /// Takes messages: the first within its timeout, then all that wait.
    fn receive(&mut self, timeouts: TimeoutPair) {
        let mut arrival = ipc::wait(timeouts);
        while let Ok(message) = arrival {
            match message.label {
                INPUT => {
                    self.has_input = true;
                    self.type_in();
                }
                DEVICES.. => self
                    .platform
                    .completed((message.label - DEVICES) as usize / 4),
                _ => {}
            }
            arrival = ipc::wait(TimeoutPair::RECEIVE_ZERO);
        }
    }

    fn type_in(&mut self) {
        let mut typed = [0; TYPED];
        let room = self.platform.room();
        let count = self.input.read(&mut typed[..room.min(TYPED)]);
        self.platform.type_in(&typed[..count]);
        self.has_input = count == room.min(TYPED);
    }
}
