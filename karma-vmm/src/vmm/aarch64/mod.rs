//! aarch64: a machine whose guest is at EL1 (`abi/06` §5.3). Each CPU is a thread with a [`Cpu`]; all that they
//! share is the [`Board`], which one of them has at a time.

mod cpu;
mod exits;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;

use crate::aarch64::devices::gic::Version;
use crate::aarch64::kernel_image;
use crate::aarch64::platform::{Bus, Platform};
use crate::aarch64::psci::Firmware;
use crate::statistics::Statistics;
use crate::vmm::files::BootFiles;
use crate::vmm::input::Input;
use crate::vmm::memory::Ram;
use crate::vmm::options::Options;
use crate::vmm::provider::Provider;
use crate::vmm::{Stop, devices, host_cpu, print};
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_memory::Shared;
use l4_rt::sync::Mutex;
use l4_rt::thread::{self, Builder};
use l4_rt::{console, env, println};
use l4_sys::object::{Irq, Task};
use l4_sys::{OwnedCap, Result as SystemResult, ipc};

use cpu::Cpu;

/// Labels of the interrupts that say that something was typed, and that another CPU has something for this one.
const INPUT: u64 = 0x20;
const WAKE: u64 = 0x30;
/// Bytes of input that are taken at once.
const TYPED: usize = 16;

/// A virtual machine.
struct Machine {
    vm: OwnedCap<Task>,
    ram: Ram,
    board: Mutex<Board>,
    /// Interrupts that wake the threads of the CPUs.
    wakers: Vec<OwnedCap<Irq>>,
}

/// What the CPUs share.
struct Board {
    platform: Platform<Shared>,
    firmware: Firmware,
    input: Input,
    statistics: Statistics,
    /// Input may wait that had no room.
    has_input: bool,
    /// The machine does not go on.
    stop: Option<Stop>,
}

/// What a CPU does after an exit.
enum Next {
    /// It goes on.
    Run,
    /// It waits for an interrupt.
    Wait,
    /// It is off, as all are when the machine stops.
    Off,
}

/// A CPU at work.
struct Worker<'a> {
    machine: &'a Machine,
    cpu: Cpu,
}

/// Runs the guest until it ends.
pub(super) fn run(
    options: &Options,
    provider: Provider,
) -> Result<(Stop, Statistics), Box<dyn Error>> {
    let vm = env::factory().create_vm()?;
    let first = Cpu::new(*vm, 0)?;
    let machine = Arc::new(Machine::new(options, provider, vm, first.gic_version())?);
    for number in 1..machine.wakers.len() {
        let machine = machine.clone();
        let place = Builder::new().cpus(host_cpu(number)?);
        place.spawn(move || {
            let cpu = Cpu::new(*machine.vm, number);
            if let Err(error) = cpu.and_then(|cpu| machine.work(cpu)) {
                println!("CPU {number}: {error}");
                machine.stop(&mut machine.board.lock(), Stop::Fault);
            }
        })?;
    }
    machine.work(first)?;
    let mut board = machine.board.lock();
    let stop = board.stop.take().unwrap_or(Stop::Fault);
    Ok((stop, core::mem::take(&mut board.statistics)))
}

impl Machine {
    fn new(
        options: &Options,
        provider: Provider,
        vm: OwnedCap<Task>,
        gic_version: u8,
    ) -> Result<Self, Box<dyn Error>> {
        let gic = Version::new(gic_version, options.cpus, |page| vm.map_virtual_gic(page))?;
        let ram = Ram::new(options.memory, *vm, provider)?;
        let bus = Bus::new(devices::open(options, &ram)?);
        let platform = Platform::new(gic, options.cpus, Box::new(print), bus);
        let files = BootFiles::open(options.kernel, provider)?;
        let start = kernel_image::load(
            &ram.shared,
            options.memory,
            files.kernel(),
            files.ram_disk(),
            options.command_line,
            (gic, options.cpus),
            platform.devices(),
        )?;
        // The kernel begins with caches off.
        ram.shared.clean()?;
        let wakers = (0..options.cpus).map(|_| env::factory().create_irq());
        Ok(Self {
            vm,
            ram,
            board: Mutex::new(Board {
                platform,
                firmware: Firmware::new(options.cpus, start),
                input: Input::new(INPUT, options.statistics)?,
                statistics: Statistics::default(),
                has_input: false,
                stop: None,
            }),
            wakers: wakers.collect::<SystemResult<_>>()?,
        })
    }

    /// The calling thread is a CPU until the machine stops.
    fn work(&self, cpu: Cpu) -> SystemResult<()> {
        self.wakers[cpu.number].bind_thread(thread::current(), WAKE)?;
        Worker { machine: self, cpu }.run()
    }

    /// Wakes the CPUs that have something to do, but for the calling one.
    fn wake(&self, board: &Board, caller: usize) {
        for (cpu, waker) in self.wakers.iter().enumerate() {
            let wants = board.platform.gic.wants(cpu) && board.firmware.is_on(cpu);
            let has_work = wants || board.firmware.is_starting(cpu);
            if cpu != caller && (has_work || board.stop.is_some()) {
                // A thread that is gone has nothing to be told.
                let _ = waker.trigger();
            }
        }
    }

    fn stop(&self, board: &mut Board, why: Stop) {
        board.stop.get_or_insert(why);
        self.wake(board, usize::MAX);
    }
}

impl Worker<'_> {
    fn run(&self) -> SystemResult<()> {
        loop {
            let start = {
                let mut board = self.machine.board.lock();
                if board.stop.is_some() {
                    return Ok(());
                }
                // What has come to this thread may be for CPUs that are on.
                board.platform.update_lines();
                self.machine.wake(&board, self.cpu.number);
                board.firmware.start(self.cpu.number)
            };
            let Some(start) = start else {
                self.receive(TimeoutPair::NEVER);
                continue;
            };
            self.cpu.start(start);
            while self.step()? {}
        }
    }

    /// Runs the guest until it exits, and serves the exit; whether the CPU goes on.
    fn step(&self) -> SystemResult<bool> {
        if !self.prepare(&mut self.machine.board.lock()) {
            return Ok(false);
        }
        self.cpu.run()?;
        let next = self.serve_exit(&mut self.machine.board.lock());
        if let Next::Wait = next {
            self.wait();
        }
        Ok(!matches!(next, Next::Off))
    }

    /// Shows all CPUs the interrupts that wait; whether the machine goes on.
    fn prepare(&self, board: &mut Board) -> bool {
        if board.has_input {
            board.type_in(&self.machine.ram.shared);
        }
        board.platform.update_lines();
        self.cpu.show(&mut board.platform.gic);
        self.machine.wake(board, self.cpu.number);
        board.stop.is_none()
    }

    /// The guest waits for an interrupt.
    fn wait(&self) {
        console::flush();
        self.machine.board.lock().input.listen();
        loop {
            {
                let mut board = self.machine.board.lock();
                if !self.prepare(&mut board) || self.cpu.is_interrupted(&board.platform.gic) {
                    return;
                }
            }
            let timeout = match self.cpu.until_timer() {
                Some(0) => {
                    self.cpu.mask_timer();
                    (self.machine.board.lock().platform).timer(self.cpu.number);
                    continue;
                }
                Some(microseconds) => Timeout::from_micros(microseconds),
                None => Timeout::NEVER,
            };
            self.receive(TimeoutPair::new(Timeout::NEVER, timeout));
        }
    }

    /// Takes messages: the first within its timeout, then all that wait.
    fn receive(&self, timeouts: TimeoutPair) {
        let mut arrival = ipc::wait(timeouts);
        while let Ok(message) = arrival {
            let machine = self.machine;
            (machine.board.lock()).arrived(message.label, &machine.ram.shared);
            arrival = ipc::wait(TimeoutPair::RECEIVE_ZERO);
        }
    }
}

impl Board {
    fn arrived(&mut self, label: u64, memory: &Shared) {
        match devices::number(label) {
            Some(device) => self.platform.completed(device),
            None if label == INPUT => self.type_in(memory),
            None => {}
        }
    }

    fn type_in(&mut self, memory: &Shared) {
        let mut typed = [0; TYPED];
        let room = self.platform.room().min(TYPED);
        let read = self.input.read(&mut typed[..room]);
        self.platform.type_in(&typed[..read.count], memory);
        self.has_input = !read.is_all;
        if read.asks_status {
            self.statistics.print();
        }
    }
}
