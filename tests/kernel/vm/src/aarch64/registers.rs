//! Registers of guests, and of their VMMs.

use l4_test::abi::arch::aarch64::exception::class;
use l4_test::abi::arch::aarch64::vm::{Hcr, SCTLR_GENERIC};
use l4_test::abi::vcpu::StateFlags;
use l4_test::spawn;
use l4_test::sys::object::Thread;
use l4_test::sys::{Utcb, ipc};

use super::code;
use super::machine::{GUEST, Machine};

pub(crate) fn the_state_begins_as_documented() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::identity, 0);
        let info = cpu.guest.info();
        assert_eq!((info.version, info.features), (0, 0));
        assert!(matches!(info.gic_version, 2 | 3));
        let state = cpu.guest.all();
        assert_eq!(state.sctlr, SCTLR_GENERIC);
        assert_eq!(state.vmpidr, 1 << 31);
        assert!(Hcr::from_bits_retain(state.host_hcr).contains(Hcr::FORCED | Hcr::TGE | Hcr::RW));
        // Four list registers.
        assert_eq!(cpu.guest.gic_kind() & 0x1f, 3);
        // Once more: nothing is written.
        cpu.guest.set_affinity(5);
        Thread::SELF
            .vcpu_control_extended(cpu.vcpu.address())
            .unwrap();
        assert_eq!(cpu.guest.affinity(), 5);
    })
    .join();
}

pub(crate) fn the_guest_has_its_identity() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::identity, 0);
        let midr = u64::from(cpu.guest.all().vpidr);
        cpu.guest.set_affinity(1 << 31 | 7);
        let (_, x) = cpu.run_to_call();
        assert_eq!(x[1..4], [1 << 31 | 7, midr, 1 << 2]);
    })
    .join();
}

pub(crate) fn el1_registers_belong_to_a_vcpu() {
    let machines = [Machine::new(), Machine::new()];
    let workers = machines.map(|machine| {
        spawn(move || {
            let value = machine.page & !0x7ff;
            let cpu = machine.vcpu(code::keep, value);
            assert_eq!(cpu.run_to_call().0, 0);
            // Time for the other one.
            ipc::sleep(core::time::Duration::from_micros(1));
            let (number, x) = cpu.run_to_call();
            assert_eq!(number, 1);
            assert_eq!(x[1..4], [value; 3]);
            assert_eq!(
                x[4..8],
                [value & 0xffff_ffff, value >> 12 & 0x3ff, value, value]
            );
        })
    });
    for worker in workers {
        worker.join();
    }
}

pub(crate) fn thread_pointers_belong_to_the_guest() {
    let machine = Machine::new();
    spawn(move || {
        let utcb = Utcb::current().address();
        let cpu = machine.vcpu(code::pointers, 0x1234_5678);
        cpu.run_to_call();
        assert_eq!(Utcb::current().address(), utcb);
        assert_eq!(cpu.vcpu.registers().tpidrro, 0x1234_5678);
        let (_, x) = cpu.run_to_call();
        assert_eq!(x[1], 0x1234_5678);
    })
    .join();
}

pub(crate) fn the_fpu_is_the_threads() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::use_fpu, 0x4009_21fb);
        cpu.run_to_call();
        // Another thread uses it, in a guest.
        let other = Machine::new();
        spawn(move || other.vcpu(code::use_fpu, 1).run_to_call()).join();
        let (_, x) = cpu.run_to_call();
        assert_eq!(x[1], 0x4009_21fb);
    })
    .join();
}

pub(crate) fn the_fpu_can_be_denied() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::use_fpu, 1);
        cpu.vcpu.set_saved_state(GUEST - StateFlags::FPU_ENABLED);
        assert_eq!(cpu.run().class, class::NO_FPU);
    })
    .join();
}

pub(crate) fn counters_have_an_offset() {
    const OFFSET: u64 = 1 << 40;
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::count, 0);
        cpu.guest.set_timer_offset(OFFSET.wrapping_neg());
        let before = l4_test::kip::micros();
        let (_, x) = cpu.run_to_call();
        let difference = x[1].wrapping_sub(x[2]).wrapping_sub(OFFSET);
        assert!((difference as i64).unsigned_abs() < OFFSET / 2);
        // The VMM's counter has none.
        assert!(l4_test::kip::micros() - before < OFFSET / 1000);
    })
    .join();
}
