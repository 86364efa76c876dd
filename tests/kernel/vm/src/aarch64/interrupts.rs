//! Interrupts of guests: their timer, those that the VMM shows them, and those that it gets itself.

use l4_test::abi::arch::aarch64::exception::class;
use l4_test::abi::arch::aarch64::vm::{PPI_MAINTENANCE, PPI_VIRTUAL_TIMER};
use l4_test::memory::load;
use l4_test::own;
use l4_test::suite::PRIORITY;
use l4_test::sys::ipc;
use l4_test::worker::current;
use l4_test::{spawn, spawn_at};

use super::code::{self, INTERRUPT};
use super::machine::{GUEST, Machine, VirtualCpu, await_sign};

/// Where the machine has its CPU interface in version 2.
const CPU_INTERFACE: u64 = 0x80_0000;
/// The interrupt that is shown.
const NUMBER: u64 = 40;
const ENABLE: u32 = 1;
/// CNTV_CTL_EL0: on, masked, and the time has come.
const TIMER_ON_MASKED_DUE: u32 = 0b111;

pub(crate) fn the_virtual_timer_interrupts_once() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::timer, 0);
        let exit = cpu.run();
        assert_eq!(exit.class, class::VIRTUAL_PPI, "{exit:x?}");
        assert_eq!(exit.immediate(), u64::from(PPI_VIRTUAL_TIMER));
        assert_eq!(cpu.guest.timer_control(), TIMER_ON_MASKED_DUE);
        // Masked, it comes no more; until it is not.
        let irq = own::factory().create_irq().unwrap();
        irq.bind_thread(current(), 0x10).unwrap();
        irq.trigger().unwrap();
        cpu.vcpu.set_saved_state(GUEST);
        assert_eq!(cpu.run().class, class::IPC);
        cpu.guest.set_timer_control(1);
        cpu.vcpu.set_saved_state(GUEST);
        assert_eq!(cpu.run().class, class::VIRTUAL_PPI);
    })
    .join();
}

pub(crate) fn an_interrupt_is_shown_and_ended() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = taking(&machine);
        show(cpu, 0);
        let (number, x) = cpu.run_to_call();
        assert_eq!((number, x[1] & 0x3ff), (INTERRUPT, NUMBER));
        // Ended: all are empty.
        assert_eq!(cpu.guest.gic_empty(), 0xf);
    })
    .join();
}

pub(crate) fn the_end_of_an_interrupt_can_be_told() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = taking(&machine);
        let told = if is_version_2(cpu) { 1 << 19 } else { 1 << 41 };
        show(cpu, told);
        let exit = cpu.run();
        assert_eq!(exit.class, class::VIRTUAL_PPI, "{exit:x?}");
        assert_eq!(exit.immediate(), u64::from(PPI_MAINTENANCE));
        assert_eq!(
            (cpu.guest.gic_ended(), cpu.guest.gic_maintenance() & 1),
            (1, 1)
        );
    })
    .join();
}

pub(crate) fn physical_interrupts_cannot_be_named() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = taking(&machine);
        // In version 2, the numbers of a physical one are where the mark for its end is.
        let physical = if is_version_2(cpu) {
            1 << 31
        } else {
            1 << 61 | 26 << 32
        };
        show(cpu, physical);
        let (number, _) = cpu.run_to_call();
        assert_eq!(number, INTERRUPT);
        assert_eq!(cpu.guest.lists()[0] & physical & (1 << 61 | 1 << 31), 0);
        // Time goes on: nobody has ended the kernel's timer interrupt.
        ipc::sleep(core::time::Duration::from_millis(5));
    })
    .join();
}

pub(crate) fn a_message_enters_while_the_guest_spins() {
    let machine = Machine::new();
    let page = machine.page;
    let worker = spawn_at(PRIORITY - 1, move || {
        let cpu = machine.vcpu(code::spin, super::machine::DATA);
        let exit = cpu.run();
        assert_eq!(exit.class, class::IPC);
        assert_eq!(cpu.vcpu.message().label, 0x120);
        assert_eq!(exit.x[1], 1);
        // It goes on where it was.
        let irq = own::factory().create_irq().unwrap();
        irq.bind_thread(current(), 0x130).unwrap();
        irq.trigger().unwrap();
        cpu.vcpu.set_saved_state(GUEST);
        cpu.run();
        assert_eq!(cpu.vcpu.message().label, 0x130);
    });
    await_sign(page);
    let irq = own::factory().create_irq().unwrap();
    irq.bind_thread(worker.thread(), 0x120).unwrap();
    irq.trigger().unwrap();
    worker.join();
    assert_eq!(load(page), 1);
}

pub(crate) fn without_the_interface_nothing_is_shown() {
    let machine = Machine::new();
    spawn(move || {
        let cpu = taking(&machine);
        show(cpu, 0);
        cpu.guest.set_gic_control(0);
        let irq = own::factory().create_irq().unwrap();
        irq.bind_thread(current(), 0x10).unwrap();
        // It stays until its message has come, even if that is before the run.
        let stop = *irq;
        let stopper = spawn(move || {
            ipc::sleep(core::time::Duration::from_millis(3));
            stop.trigger().unwrap();
        });
        assert_eq!(cpu.run().class, class::IPC);
        stopper.join();
    })
    .join();
}

fn is_version_2(cpu: VirtualCpu) -> bool {
    cpu.guest.info().gic_version == 2
}

/// A guest that takes interrupts.
fn taking(machine: &Machine) -> VirtualCpu {
    let cpu = machine.vcpu(code::take, code::vectors());
    if is_version_2(cpu) {
        machine.task.map_virtual_gic(CPU_INTERFACE).unwrap();
        cpu.set(20, CPU_INTERFACE);
    }
    cpu
}

/// Lets the guest see an interrupt; `flags` go to its list register too.
fn show(cpu: VirtualCpu, flags: u64) {
    const PENDING_2: u64 = 1 << 28;
    const PENDING_3: u64 = 1 << 62;
    const GROUP_1: u64 = 1 << 60;
    let list = if is_version_2(cpu) {
        PENDING_2 | NUMBER
    } else {
        PENDING_3 | GROUP_1 | 0x80 << 48 | NUMBER
    };
    cpu.guest.set_lists([list | flags, 0, 0, 0]);
    cpu.guest.set_gic_control(ENABLE);
}
