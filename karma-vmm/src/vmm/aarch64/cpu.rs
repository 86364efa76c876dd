//! The guest's CPU: this thread, as a vCPU.

use crate::aarch64::kernel_image::Entry;
use l4_abi::arch::aarch64::exception::{ExceptionFrame, pstate};
use l4_abi::arch::aarch64::vm::Hcr;
use l4_abi::vcpu::{StateFlags, UserTask};
use l4_rt::vcpu;
use l4_sys::arch::guest::{Guest, counter};
use l4_sys::object::Task;
use l4_sys::vcpu::Vcpu;
use l4_sys::{Object, OwnedCap, Result};

/// SCTLR_EL1: stage 1 is off; what is always 1.
const SCTLR: u32 = 0x30d0_0800;
/// All interrupts are masked.
const MASKED: u64 = 0xf << 6;
/// The virtual interface is on.
const INTERFACE: u32 = 1;
/// CNTV_CTL_EL0.
const TIMER_ON: u32 = 1 << 0;
const TIMER_MASKED: u32 = 1 << 1;
/// The CPU's affinity is 0; what is always 1.
const AFFINITY: u64 = 1 << 31;
/// Register that reads as zero.
const ZERO: usize = 31;

/// The guest's CPU.
pub(super) struct Cpu {
    pub(super) vcpu: Vcpu,
    pub(super) guest: Guest,
    _vm: OwnedCap<Task>,
}

impl Cpu {
    /// A CPU that is about to enter the kernel.
    pub(super) fn new(vm: OwnedCap<Task>, entry: &Entry) -> Result<Self> {
        let extended = vcpu::extended()?;
        let (vcpu, guest) = (extended.vcpu(), Guest::of(extended));
        vcpu.set_user_task(UserTask::new(vm.selector()));
        let mut registers = ExceptionFrame {
            pc: entry.ip,
            pstate: pstate::EL1H | MASKED,
            ..ExceptionFrame::default()
        };
        registers.x[0] = entry.device_tree;
        vcpu.set_registers(registers);
        guest.set_hcr((Hcr::RW | Hcr::TWI).bits());
        guest.set_sctlr(SCTLR);
        guest.set_cpacr(0);
        guest.set_affinity(AFFINITY);
        guest.set_timer_control(0);
        // The guest's time begins with it.
        guest.set_timer_offset(counter().0);
        guest.set_gic_control(INTERFACE);
        guest.set_gic_machine_control(0);
        Ok(Self {
            vcpu,
            guest,
            _vm: vm,
        })
    }

    /// Runs the guest until it exits.
    pub(super) fn run(&self) -> Result<()> {
        let guest = StateFlags::USER_MODE | StateFlags::FPU_ENABLED | StateFlags::ENTRY;
        self.vcpu.set_saved_state(guest);
        self.guest.run()
    }

    /// The value of a general register.
    pub(super) fn register(&self, number: usize) -> u64 {
        let registers = self.vcpu.registers().x;
        registers.get(number).copied().unwrap_or(0)
    }

    /// Goes on behind the instruction that has exited, with a new value in a register.
    pub(super) fn skip(&self, result: Option<(usize, u64)>) {
        let mut registers = self.vcpu.registers();
        registers.pc = registers.pc.wrapping_add(4);
        if let Some((number, value)) = result
            && number != ZERO
        {
            registers.x[number] = value;
        }
        self.vcpu.set_registers(registers);
    }

    /// Microseconds until the guest's timer interrupts, at least; none if it does not.
    pub(super) fn until_timer(&self) -> Option<u64> {
        if self.guest.timer_control() & (TIMER_ON | TIMER_MASKED) != TIMER_ON {
            return None;
        }
        let (now, frequency) = counter();
        let now = now.wrapping_sub(self.guest.timer_offset());
        let ticks = self.guest.timer_deadline().saturating_sub(now);
        let microseconds = u128::from(ticks) * 1_000_000 / u128::from(frequency.max(1));
        Some(match ticks {
            0 => 0,
            _ => u64::try_from(microseconds)
                .unwrap_or(u64::MAX)
                .saturating_add(1),
        })
    }

    /// The timer has interrupted: no more, until the guest sets it again.
    pub(super) fn mask_timer(&self) {
        let control = self.guest.timer_control();
        self.guest.set_timer_control(control | TIMER_MASKED);
    }
}
