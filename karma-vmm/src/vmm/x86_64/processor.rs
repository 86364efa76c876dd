//! One CPU of the machine: the thread that runs the guest and serves its exits, and how that gets interrupts.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::error::Error;

use crate::x86_64::debug_registers::DebugRegisters;
use crate::x86_64::kernel_image::Entry;
use crate::x86_64::msr::Registers;
use crate::x86_64::platform::Platform;
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_memory::Shared;
use l4_rt::{console, thread};
use l4_sys::arch::vmcb;
use l4_sys::vcpu::GuestEnd;
use l4_sys::{Result, ipc};

use super::Stop;
use super::cpu::Cpu;
use super::machine::Machine;
use super::smp::Power;
use crate::vmm::alarm::{self, Alarm};
use crate::vmm::devices;
use crate::vmm::input::Input;

/// Labels of the interrupts that a thread gets.
const ALARM: u64 = 0x10;
const INPUT: u64 = 0x20;
const WAKE: u64 = 0x30;
/// Bytes of input that are taken at once.
const TYPED: usize = 16;

/// A CPU.
pub(super) struct Processor {
    pub(super) id: u32,
    pub(super) machine: Arc<Machine>,
    pub(super) cpu: Cpu,
    pub(super) registers: Registers,
    pub(super) debug_registers: DebugRegisters,
    /// The interrupt that the guest can take.
    offered: Option<Interrupt>,
    alarm: Alarm,
    /// When the APIC's timer is due, in nanoseconds since boot.
    pub(super) timer: Option<u64>,
    /// The first CPU's.
    input: Option<Input>,
    /// Input may wait that had no room.
    has_input: bool,
}

/// What waits for a CPU.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Nothing,
    Interrupt(Interrupt),
    NonMaskable,
    /// It was stopped by another CPU, or is to start.
    Reset,
}

/// An interrupt, and whose.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Interrupt {
    vector: u8,
    /// The 8259A's, and not its own APIC's.
    is_external: bool,
}

impl Processor {
    /// The calling thread as a CPU of the machine.
    pub(super) fn new(
        machine: Arc<Machine>,
        id: u32,
    ) -> core::result::Result<Self, Box<dyn Error>> {
        machine
            .wake_up_call(id)
            .bind_thread(thread::current(), WAKE)?;
        Ok(Self {
            id,
            cpu: Cpu::new(*machine.vm)?,
            registers: Registers::new(id, machine.has_apics()),
            debug_registers: DebugRegisters::default(),
            offered: None,
            alarm: Alarm::new(ALARM)?,
            timer: None,
            input: None,
            has_input: false,
            machine,
        })
    }

    /// Lets it start with a kernel, and get what is typed; with `has_status` a key asks for the statistics.
    pub(super) fn start(&mut self, entry: &Entry, has_status: bool) -> Result<()> {
        self.input = Some(Input::new(INPUT, has_status)?);
        self.cpu.start(entry);
        Ok(())
    }

    /// Runs until the machine ends.
    pub(super) fn run(&mut self) -> Result<Stop> {
        loop {
            if let Some(stop) = self.machine.ended() {
                return Ok(stop);
            }
            if let Some(stop) = self.step()? {
                self.machine.end(stop);
            }
        }
    }

    /// Runs the guest until it exits, and serves the exit.
    fn step(&mut self) -> Result<Option<Stop>> {
        if !self.offer_interrupt() {
            self.wait_for_start();
            return Ok(None);
        }
        self.alarm.set(self.deadline());
        let end = self.cpu.run()?;
        self.acknowledge();
        match end {
            GuestEnd::Exit => Ok(self.serve_exit()),
            GuestEnd::Pending | GuestEnd::Entered => {
                self.count("message", None);
                self.receive(TimeoutPair::RECEIVE_ZERO);
                Ok(None)
            }
        }
    }

    /// Lets the guest take an interrupt as soon as it can, if there is one. False if the CPU is not on.
    fn offer_interrupt(&mut self) -> bool {
        if self.has_input {
            self.type_in();
        }
        let mut waiting = self.waiting();
        if waiting == Waiting::NonMaskable && self.cpu.inject_non_maskable() {
            self.machine.state(self.id).has_nmi = false;
            waiting = self.waiting();
        }
        self.offered = match waiting {
            Waiting::Interrupt(interrupt) => Some(interrupt),
            _ => None,
        };
        (self.cpu.hardware).offer(self.offered.map(|offered| offered.vector));
        waiting != Waiting::Reset
    }

    /// Who asked for the interrupt that the guest has taken, if it has, gets to know that.
    fn acknowledge(&mut self) {
        let Some(Interrupt {
            vector,
            is_external,
        }) = self.offered.filter(|_| !self.cpu.hardware.has_offer())
        else {
            return;
        };
        if is_external {
            self.machine.platform.lock().acknowledge(vector);
        } else if let Some(apic) = &mut self.machine.state(self.id).apic {
            apic.acknowledge(vector);
        }
    }

    fn waiting(&mut self) -> Waiting {
        // Their timer goes on even if nobody listens to it.
        let external = match self.id {
            0 => self.machine.platform.lock().pending(alarm::now()),
            _ => None,
        };
        let mut own = self.machine.state(self.id);
        if own.power != Power::On {
            return Waiting::Reset;
        }
        if own.has_nmi {
            return Waiting::NonMaskable;
        }
        let takes_external = match &mut own.apic {
            None => true,
            Some(apic) => {
                if apic.deadline().is_some() {
                    apic.expire(vmcb::counter());
                    self.timer = self.timer.filter(|_| apic.deadline().is_some());
                }
                if let Some(vector) = apic.pending() {
                    return Waiting::Interrupt(Interrupt {
                        vector,
                        is_external: false,
                    });
                }
                apic.accepts_external()
            }
        };
        match external.filter(|_| takes_external) {
            Some(vector) => Waiting::Interrupt(Interrupt {
                vector,
                is_external: true,
            }),
            None => Waiting::Nothing,
        }
    }

    /// When something may wait without an interrupt of the host, in nanoseconds since boot.
    fn deadline(&self) -> Option<u64> {
        let devices = match self.id {
            0 => self.machine.platform.lock().deadline(),
            _ => None,
        };
        [self.timer, devices].into_iter().flatten().min()
    }

    /// The guest waits for an interrupt.
    pub(super) fn halt(&mut self) {
        console::flush();
        if let Some(input) = &mut self.input {
            input.listen();
        }
        while self.machine.ended().is_none() && self.waiting() == Waiting::Nothing {
            let timeout = match self.deadline() {
                Some(due) => {
                    let left = due.saturating_sub(alarm::now());
                    Timeout::from_micros(left / 1000 + 1)
                }
                None => Timeout::NEVER,
            };
            self.receive(TimeoutPair::new(Timeout::NEVER, timeout));
        }
    }

    /// The guest waits with interrupts off: what goes on is for other CPUs to say.
    pub(super) fn sleep(&mut self) {
        console::flush();
        self.machine.sleep(self.id);
        while self.machine.ended().is_none()
            && !matches!(self.waiting(), Waiting::NonMaskable | Waiting::Reset)
        {
            self.receive(TimeoutPair::NEVER);
        }
        self.machine.wake_from_sleep(self.id);
    }

    /// Takes messages: the first within its timeout, then all that wait.
    pub(super) fn receive(&mut self, timeouts: TimeoutPair) {
        let mut arrival = ipc::wait(timeouts);
        while let Ok(message) = arrival {
            match message.label {
                INPUT => {
                    self.has_input = true;
                    self.type_in();
                }
                label => {
                    if let Some(device) = devices::number(label) {
                        self.with_platform(|platform| platform.completed(device));
                    }
                }
            }
            arrival = ipc::wait(TimeoutPair::RECEIVE_ZERO);
        }
    }

    fn type_in(&mut self) {
        let Some(input) = &self.input else {
            return;
        };
        let mut platform = self.machine.platform.lock();
        let mut typed = [0; TYPED];
        let room = platform.room().min(TYPED);
        let read = input.read(&mut typed[..room]);
        platform.type_in(&typed[..read.count], &self.machine.ram.shared);
        self.has_input = !read.is_all;
        if read.asks_status {
            self.machine.statistics.lock().print();
        }
    }

    /// Counts an exit.
    pub(super) fn count(&self, reason: &'static str, detail: impl Into<Option<u64>>) {
        self.machine.statistics.lock().count(reason, detail);
    }

    /// Does something with the devices. If that may concern the first CPU, and this is another one, it is told.
    pub(super) fn with_platform<R>(&self, action: impl FnOnce(&mut Platform<Shared>) -> R) -> R {
        let mut platform = self.machine.platform.lock();
        let before = platform.deadline();
        let result = action(&mut platform);
        let concerns_first = self.id != 0
            && (platform.deadline() != before || platform.pending(alarm::now()).is_some());
        drop(platform);
        if concerns_first {
            self.machine.wake(0);
        }
        result
    }
}
