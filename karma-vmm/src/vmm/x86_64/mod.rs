//! x86_64: a PC with one CPU, under SVM (`abi/06` §5.1).

mod control_block;
mod exits;

use alloc::boxed::Box;
use alloc::format;
use core::error::Error;

use crate::statistics::Statistics;
use crate::x86_64::debug_registers::DebugRegisters;
use crate::x86_64::kernel_image;
use crate::x86_64::msr::Registers;
use crate::x86_64::paravirtual_clock::Scale;
use crate::x86_64::platform::Platform;
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_memory::Shared;
use l4_rt::{console, env, print, time};
use l4_sys::ipc;
use l4_sys::vcpu::GuestEnd;

use super::Stop;
use super::alarm::{self, Alarm};
use super::files::BootFiles;
use super::input::Input;
use super::memory::Ram;
use super::options::Options;
use super::remote;
use control_block::Cpu;

/// Labels of the interrupts that the vCPU gets.
const ALARM: u64 = 0x10;
const INPUT: u64 = 0x20;
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

/// Runs the guest until it ends.
pub(crate) fn run(options: &Options) -> Result<(Stop, Statistics), Box<dyn Error>> {
    if options.cpus > 1 {
        return Err("a PC with several CPUs is not there yet".into());
    }
    let mut machine = Machine::new(options)?;
    loop {
        if let Some(stop) = machine.step()? {
            return Ok((stop, machine.statistics));
        }
    }
}

impl Machine {
    fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        let vm = env::factory().create_vm()?;
        let ram = Ram::new(options.memory, *vm)?;
        let files = BootFiles::open()?;
        // A PC tells nobody where its console is.
        let command_line = format!("console=ttyS0 {}", options.command_line);
        let entry = kernel_image::load(
            &ram.shared,
            options.memory,
            files.kernel(),
            files.ram_disk(),
            &command_line,
            0,
        )?;
        let mut cpu = Cpu::new(vm)?;
        cpu.start(&entry);
        let print = |byte: u8| print!("{}", byte as char);
        let mut platform = Platform::new(Box::new(print));
        for device in remote::open(options, &ram)? {
            platform.add(device);
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
                label => {
                    if let Some(device) = remote::number(label) {
                        self.platform.completed(device);
                    }
                }
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
