//! Several machines and vCPUs, on one CPU and on several; and their ends.

use core::time::Duration;

use l4_test::abi::arch::aarch64::exception::class;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::rights::MemoryRights;
use l4_test::memory::{load, store};
use l4_test::own;
use l4_test::suite::PRIORITY;
use l4_test::sys::object::Thread;
use l4_test::sys::{Cap, ipc};
use l4_test::worker::current;
use l4_test::{Worker, spawn, spawn_at, spawn_on};

use super::code;
use super::machine::{DATA, GUEST, Machine, NOTHING, VirtualCpu, await_sign, blank_page};

/// The instruction of `keep` from which on it reads.
const READS: u64 = 9;

/// More CPUs than machines of tests have.
const CPUS_MAX: usize = 64;

/// The number of the last CPU.
fn last_cpu() -> u32 {
    own::scheduler().info().unwrap().cpus.count_ones() - 1
}

pub(crate) fn spinning_guests_share_a_cpu() {
    let machines = [Machine::new(), Machine::new(), Machine::new()];
    let pages = machines.each_ref().map(|machine| machine.page);
    let workers = machines.map(|machine| {
        spawn_at(PRIORITY - 1, move || {
            let exit = machine.vcpu(code::spin, DATA).run();
            assert_eq!(exit.class, class::IPC);
        })
    });
    for page in pages {
        await_sign(page);
    }
    for worker in workers {
        let irq = own::factory().create_irq().unwrap();
        irq.bind_thread(worker.thread(), 0).unwrap();
        irq.trigger().unwrap();
        worker.join();
    }
}

pub(crate) fn vcpus_of_one_machine_have_their_own_registers() {
    let machine = Machine::new();
    machine.map_code(code::keep);
    let task = *machine.task;
    let workers = [0x8000_u64, 0x1_8000].map(|value| {
        spawn(move || {
            let cpu = VirtualCpu::new(&task, code::keep, value);
            cpu.run_to_call();
            for _ in 0..5 {
                ipc::sleep(Duration::from_micros(1));
                let (_, x) = cpu.run_to_call();
                assert_eq!(x[1..4], [value; 3]);
                let mut registers = cpu.vcpu.registers();
                // Back to where it reads them.
                registers.pc = code::keep as *const () as u64 + READS * 4;
                cpu.vcpu.set_registers(registers);
                cpu.vcpu.set_saved_state(GUEST);
            }
        })
    });
    for worker in workers {
        worker.join();
    }
}

/// Each guest waits in its machine until all have come.
pub(crate) fn guests_run_on_all_cpus_at_once() {
    let shared = blank_page();
    let count = u64::from(last_cpu()) + 1;
    let mut workers = [const { None }; CPUS_MAX];
    // The own CPU comes last: this thread goes on when that one's guest has.
    for (place, cpu) in workers.iter_mut().zip((0..=last_cpu()).rev()) {
        let machine = Machine::new();
        machine.map(shared, NOTHING, MemoryRights::RW);
        *place = Some(spawn_on(cpu, move || {
            let guest = machine.vcpu(code::meet, NOTHING + u64::from(cpu) * 8);
            guest.set(1, NOTHING);
            guest.set(2, NOTHING + count * 8);
            let (number, x) = guest.run_to_call();
            assert_eq!((number, x[0]), (3, NOTHING + u64::from(cpu) * 8));
        }));
    }
    workers.into_iter().flatten().for_each(Worker::join);
}

pub(crate) fn a_vcpu_moves_with_its_registers() {
    let last = last_cpu();
    let machine = Machine::new();
    spawn(move || {
        let cpu = machine.vcpu(code::keep, 0x8000);
        cpu.run_to_call();
        for round in 0..6 {
            place(current(), round % (last + 1));
            let (_, x) = cpu.run_to_call();
            assert_eq!(x[1..4], [0x8000; 3]);
            let mut registers = cpu.vcpu.registers();
            registers.pc = code::keep as *const () as u64 + READS * 4;
            registers.x[1..8].fill(0);
            cpu.vcpu.set_registers(registers);
            cpu.vcpu.set_saved_state(GUEST);
        }
    })
    .join();
}

pub(crate) fn a_running_guest_can_be_destroyed() {
    for round in 0..10 {
        let machine = Machine::new();
        let page = machine.page;
        let cpu = round % (last_cpu() + 1);
        let worker = spawn_on(cpu, move || machine.vcpu(code::spin, DATA).run().class);
        await_sign(page);
        drop(worker);
        // The CPU is good for another one.
        let machine = Machine::new();
        let worker = spawn_on(cpu, move || machine.vcpu(code::call, 1).run_to_call().0);
        assert_eq!(worker.join(), 3);
    }
}

pub(crate) fn a_machine_can_be_destroyed_under_its_guest() {
    let machine = Machine::new();
    machine.map_code(code::spin);
    let (task, page) = (*machine.task, machine.page);
    let worker = spawn_on(last_cpu(), move || {
        VirtualCpu::new(&task, code::spin, DATA).run().class
    });
    await_sign(page);
    store(page, 0);
    drop(machine);
    // Its code is gone.
    assert_eq!(worker.join(), class::INSTRUCTION_ABORT_LOWER);
    ipc::sleep(Duration::from_millis(1));
    assert_eq!(load(page), 0);
}

fn place(thread: Cap<Thread>, cpu: u32) {
    own::scheduler()
        .run_thread(thread, CpuSet::single(cpu), PRIORITY, 0)
        .unwrap();
}
