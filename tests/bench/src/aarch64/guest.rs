//! A guest at EL1 that calls its VMM again and again.

use core::arch::naked_asm;

use l4_test::abi::arch::aarch64::exception::{class, exception_class, pstate};
use l4_test::abi::arch::aarch64::vm::Hcr;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::vcpu::{StateFlags, UserTask};
use l4_test::guest::{State, map};
use l4_test::memory::{PAGE, PAGE_ORDER};
use l4_test::own;
use l4_test::sys::arch::guest::Guest as Registers;
use l4_test::sys::object::Task;
use l4_test::sys::vcpu::Vcpu;
use l4_test::sys::{Cap, Object};

/// EL1 with a stack of its own, all interrupts masked.
const EL1: u64 = pstate::EL1H | 0xf << 6;
/// SCTLR_EL1: stage 1 is off; what is always 1.
const SCTLR: u32 = 0x30d0_0800;

/// The guest.
pub(crate) struct Guest {
    vm: Cap<Task>,
    vcpu: Vcpu,
    state: State,
    registers: Registers,
}

/// What it does: an exit comes back to the instruction.
#[unsafe(naked)]
extern "C" fn call() {
    naked_asm!("hvc #0", "udf #0")
}

impl Guest {
    /// One for the calling thread. None, if the machine has no virtual machines.
    pub(crate) fn new() -> Option<Self> {
        let vm = own::factory().create_vm().ok()?;
        let code = call as *const () as u64;
        let page = code & !(PAGE - 1);
        let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RX);
        map(*vm, flexpage, page);
        let state = State::new();
        let extended = state.enter();
        let vcpu = extended.vcpu();
        vcpu.set_saved_state(StateFlags::USER_MODE | StateFlags::FPU_ENABLED);
        let mut registers = vcpu.registers();
        (registers.pc, registers.pstate) = (code, EL1);
        vcpu.set_registers(registers);
        let vm = vm.leak();
        Some(Self {
            vm,
            vcpu,
            state,
            registers: Registers::of(extended),
        })
    }

    /// Makes the calling thread its vCPU, again perhaps: then its state is as at first.
    pub(crate) fn prepare(&self) {
        self.state.enter();
        self.vcpu.set_user_task(UserTask::new(self.vm.selector()));
        self.registers.set_hcr(Hcr::RW.bits());
        self.registers.set_sctlr(SCTLR);
        self.registers.set_timer_control(0);
        self.run();
        let class = exception_class(self.vcpu.registers().error);
        assert_eq!(class, class::HVC64);
    }

    /// Runs it until it exits. A VMM that does nothing changes nothing.
    #[inline(always)]
    pub(crate) fn run(&self) {
        self.vcpu.run(&[]).expect("the guest does not run");
    }
}
