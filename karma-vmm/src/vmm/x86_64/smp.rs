//! Several CPUs: how they are started, their local APICs, the interrupts that they send each other, and the
//! tables that tell of them.

use core::error::Error;

use crate::x86_64::acpi;
use crate::x86_64::devices::local_apic::{Ipi, IpiKind, LocalApic, MSRS, TSC_DEADLINE};
use crate::x86_64::msr::NoSuchRegister;
use alloc::boxed::Box;
use l4_memory::Memory;
use l4_sys::arch::vmcb;

use super::cpu::Cpu;
use super::machine::Machine;
use super::processor::Processor;
use crate::vmm::alarm;
use l4_abi::timeout::TimeoutPair;

/// So many ticks are never.
const LONGEST: u64 = 1 << 60;

/// CR0 in real mode.
const REAL_MODE: u64 = 0x10;

/// Whether a CPU runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    On,
    /// It waits to be started.
    Stopped,
    /// It is to start in real mode, at this page.
    Start(u8),
}

impl Power {
    /// Of a CPU when the machine is turned on: the first one runs.
    pub(super) fn at_first(id: u32) -> Self {
        if id == 0 { Self::On } else { Self::Stopped }
    }

    /// Whether the CPU is to start.
    pub(super) fn is_starting(self) -> bool {
        matches!(self, Self::Start(_))
    }
}

/// Writes what tells a guest of its CPUs; where, or 0 if it has but one.
pub(super) fn write_tables(memory: &impl Memory, cpus: u8) -> Result<u64, Box<dyn Error>> {
    if cpus == 1 {
        return Ok(0);
    }
    acpi::write(memory, cpus).map_err(|_| "no memory for ACPI tables")?;
    Ok(acpi::ADDRESS)
}

impl Cpu {
    /// The state in which another CPU starts this one: in real mode, at the beginning of a page.
    pub(super) fn start_up(&mut self, page: u8) {
        let page = u16::from(page);
        let code = (page << 8, 0x9b, u64::from(page) << 12);
        self.set_segments(code, (0, 0x93), 0xffff, (0, 0xffff));
        self.reset(0, [REAL_MODE, 0, 0], 0);
    }
}

impl Processor {
    /// Waits until another CPU starts this one.
    pub(super) fn wait_for_start(&mut self) {
        self.timer = None;
        self.machine.sleep(self.id);
        while self.machine.ended().is_none() {
            let power = self.machine.state(self.id).power;
            if let Power::Start(page) = power {
                self.machine.state(self.id).power = Power::On;
                self.cpu.start_up(page);
                break;
            }
            self.receive(TimeoutPair::NEVER);
        }
        self.machine.wake_from_sleep(self.id);
    }

    /// Whether a register is the APIC's.
    pub(super) fn is_of_apic(number: u32) -> bool {
        number == TSC_DEADLINE || MSRS.contains(&number)
    }

    /// The guest reads a register of its APIC.
    pub(super) fn read_apic(&self, number: u32) -> core::result::Result<u64, NoSuchRegister> {
        match &self.machine.state(self.id).apic {
            Some(apic) => apic.read(number),
            None => Err(NoSuchRegister),
        }
    }

    /// The guest writes one.
    pub(super) fn write_apic(
        &mut self,
        number: u32,
        value: u64,
    ) -> core::result::Result<(), NoSuchRegister> {
        let mut own = self.machine.state(self.id);
        let apic = own.apic.as_mut().ok_or(NoSuchRegister)?;
        let before = apic.deadline();
        let sent = apic.write(number, value)?;
        let deadline = apic.deadline();
        drop(own);
        if deadline != before {
            self.timer = deadline.map(|deadline| {
                let ticks = deadline.saturating_sub(vmcb::counter()).min(LONGEST);
                alarm::now().saturating_add(self.machine.scale.nanoseconds(ticks))
            });
        }
        if let Some(ipi) = sent {
            self.machine.send(ipi, self.id);
        }
        Ok(())
    }
}

impl Machine {
    /// Delivers an interrupt from one CPU to others.
    pub(super) fn send(&self, ipi: Ipi, sender: u32) {
        for (id, connection) in (0..).zip(&self.cpus) {
            let mut state = connection.state.lock();
            let Some(apic) = &mut state.apic else {
                continue;
            };
            if !apic.is_target(ipi.target, sender) {
                continue;
            }
            match ipi.kind {
                IpiKind::Fixed(vector) => apic.request(vector),
                IpiKind::NonMaskable => state.has_nmi = true,
                IpiKind::Init => {
                    *apic = LocalApic::new(id);
                    state.power = Power::Stopped;
                    state.has_nmi = false;
                }
                IpiKind::StartUp(page) if state.power == Power::Stopped => {
                    state.power = Power::Start(page);
                }
                IpiKind::StartUp(_) => {}
            }
            drop(state);
            if id != sender {
                self.wake(id);
            }
        }
    }
}
