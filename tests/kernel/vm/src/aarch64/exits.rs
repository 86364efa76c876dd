//! What a guest cannot do itself.

use l4_test::abi::arch::aarch64::exception::class;
use l4_test::abi::arch::aarch64::vm::Hcr;
use l4_test::spawn;

use super::code::{self, EXCEPTION};
use super::machine::{Machine, VirtualCpu};

pub(crate) fn a_hypervisor_call_exits_at_its_instruction() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::call, 41);
        let exit = cpu.run();
        assert_eq!((exit.class, exit.immediate()), (class::HVC64, 3));
        assert_eq!(exit.x[0], 42);
        assert_eq!(exit.pc, code::call as *const () as u64 + 4);
        cpu.skip();
        assert_eq!(cpu.run_to_call().0, 4);
    })
    .join();
}

pub(crate) fn a_secure_monitor_call_exits() {
    let machine = Machine::new();
    spawn(move || {
        let exit = machine.vcpu(code::monitor, 0).run();
        assert_eq!((exit.class, exit.immediate()), (class::SMC64, 5));
        assert_eq!(exit.pc, code::monitor as *const () as u64);
    })
    .join();
}

pub(crate) fn waiting_exits_if_it_is_to() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::wait, 0);
        let exit = cpu.run();
        assert_eq!(exit.class, class::WFX);
        assert_eq!(exit.pc, code::wait as *const () as u64);
    })
    .join();
}

pub(crate) fn what_is_not_virtual_exits() {
    const TRAPS: u64 = 6;
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::traps, 0);
        for index in 0..TRAPS {
            let exit = cpu.run();
            assert_eq!(exit.class, class::SYSTEM_REGISTER, "{index}: {exit:x?}");
            assert_eq!(exit.pc, code::traps as *const () as u64 + index * 4);
            cpu.skip();
        }
        cpu.run_to_call();
    })
    .join();
}

pub(crate) fn el2_is_out_of_reach() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::hypervisor_register, code::vectors());
        let (number, x) = cpu.run_to_call();
        // Undefined, for the guest itself.
        assert_eq!((number, x[2] >> 26), (EXCEPTION, class::UNKNOWN));
    })
    .join();
}

pub(crate) fn without_el1_it_is_a_user_task() {
    let machine = Machine::new();
    spawn(move || {
        let cpu: VirtualCpu = machine.vcpu(code::read, 0);
        cpu.guest.set_hcr((Hcr::RW | Hcr::TGE).bits());
        // EL1 is an illegal state there.
        assert_eq!(cpu.run().class, class::ILLEGAL_STATE);
    })
    .join();
}
