//! One of the guest's CPUs: this thread, as a vCPU.

use crate::aarch64::devices::gic::Gic;
use crate::aarch64::psci::Start;
use l4_abi::arch::aarch64::exception::{ExceptionFrame, pstate};
use l4_abi::arch::aarch64::vm::Hcr;
use l4_abi::vcpu::{StateFlags, UserTask};
use l4_rt::vcpu;
use l4_sys::arch::guest::{Guest, counter};
use l4_sys::object::Task;
use l4_sys::vcpu::Vcpu;
use l4_sys::{Cap, Object, Result};

/// SCTLR_EL1: stage 1 is off; what is always 1.
const SCTLR: u32 = 0x30d0_0800;
/// All interrupts are masked.
const MASKED: u64 = 0xf << 6;
/// ICH_HCR_EL2: the interface is on; it tells when the list registers are about to be free.
const INTERFACE: u32 = 1 << 0;
const TELL_FREE: u32 = 1 << 1;
/// ICH_VTR_EL2, GICH_VTR: list registers, less one.
const LISTS: u32 = 0x1f;
/// CNTV_CTL_EL0.
const TIMER_ON: u32 = 1 << 0;
const TIMER_MASKED: u32 = 1 << 1;
/// VMPIDR_EL2: what is always 1.
const AFFINITY: u64 = 1 << 31;
/// Register that reads as zero.
const ZERO: usize = 31;

/// The CPU.
pub(super) struct Cpu {
    pub(super) number: usize,
    pub(super) vcpu: Vcpu,
    guest: Guest,
}

impl Cpu {
    /// CPU `number` of `vm`, which is off.
    pub(super) fn new(vm: Cap<Task>, number: usize) -> Result<Self> {
        let extended = vcpu::extended()?;
        let (vcpu, guest) = (extended.vcpu(), Guest::of(extended));
        vcpu.set_user_task(UserTask::new(vm.selector()));
        Ok(Self {
            number,
            vcpu,
            guest,
        })
    }

    /// Begins anew. The guest has the machine's counter.
    pub(super) fn start(&self, start: Start) {
        let mut registers = ExceptionFrame {
            pc: start.ip,
            pstate: pstate::EL1H | MASKED,
            ..ExceptionFrame::default()
        };
        registers.x[0] = start.argument;
        self.vcpu.set_registers(registers);
        let guest = self.guest;
        guest.set_hcr((Hcr::RW | Hcr::TWI).bits());
        guest.set_sctlr(SCTLR);
        guest.set_cpacr(0);
        guest.set_affinity(AFFINITY | self.number as u64);
        guest.set_timer_control(0);
        guest.set_timer_offset(0);
        guest.set_gic_machine_control(0);
        guest.set_lists([0; 4]);
    }

    /// Shows the guest the interrupts that wait, as far as there is room.
    pub(super) fn show(&self, gic: &mut Gic) {
        let mut lists = gic.version.widen(self.guest.lists());
        let count = (self.guest.gic_kind() & LISTS) as usize + 1;
        let count = count.min(lists.len());
        let more = gic.offer(self.number, &mut lists[..count]);
        self.guest.set_lists(gic.version.narrow(lists));
        let tell = if more { TELL_FREE } else { 0 };
        self.guest.set_gic_control(INTERFACE | tell);
    }

    /// It is off: what it was shown, and has not taken, waits again.
    pub(super) fn release(&self, gic: &mut Gic) {
        gic.release(self.number, &gic.version.widen(self.guest.lists()));
    }

    /// Whether an interrupt waits that ends a wait of the guest.
    pub(super) fn is_interrupted(&self, gic: &Gic) -> bool {
        let lists = gic.version.widen(self.guest.lists());
        gic.is_waiting(self.number, &lists)
    }

    /// The version of the host's interrupt controller.
    pub(super) fn gic_version(&self) -> u8 {
        self.guest.info().gic_version
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
