//! Numbers by which the processor tells address spaces apart: there are few, tasks can be many.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::vcpu::{StateFlags, UserTask};
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, store};
use l4_test::sys::object::{Task, Thread};
use l4_test::sys::vcpu::Vcpu;
use l4_test::sys::{Object, OwnedCap};
use l4_test::{Worker, own, spawn_on};

use crate::arch;

/// Tasks: more than VMIDs of eight bits, and more than the PCIDs that are used.
const TASKS: usize = 300;
/// Where each has its page of data.
const DATA: u64 = 0x50_0000;
/// Order of the memory for all of them.
const MEMORY_ORDER: u32 = 21;
const _: () = assert!((TASKS as u64) << PAGE_ORDER <= 1 << MEMORY_ORDER);
/// Where the vCPUs have their states.
const STATES: u64 = UNUSED + (1 << 29);

/// All have their data at the same address; each sees its own, on every CPU, however often they go
/// round.
pub(crate) fn more_tasks_than_the_processor_can_tell_apart() {
    let cpus = own::scheduler().info().unwrap().cpus.count_ones();
    let memory = allocate(MEMORY_ORDER);
    let tasks: [OwnedCap<Task>; TASKS] = core::array::from_fn(|index| {
        let page = memory + index as u64 * PAGE;
        store(page, 1 + index as u64);
        let task = own::factory().create_task(Flexpage::NIL).unwrap();
        map(&task, page, DATA, MemoryRights::RW);
        let code = arch::read_data as *const () as u64 & !(PAGE - 1);
        for page in [code, code + PAGE] {
            map(&task, page, page, MemoryRights::RX);
        }
        task
    });
    let selectors = tasks.each_ref().map(|task| task.selector());
    let mut visitors: [Option<Worker<()>>; 4] = [const { None }; 4];
    for (cpu, visitor) in (0..cpus).zip(&mut visitors) {
        *visitor = Some(spawn_on(cpu, move || {
            let vcpu = new_vcpu(STATES + u64::from(cpu) * PAGE);
            for round in 0..3 {
                for step in 0..TASKS {
                    // Each CPU begins elsewhere.
                    let index = (step + (round + 1) * cpu as usize * 31) % TASKS;
                    vcpu.set_user_task(UserTask::new(selectors[index]));
                    vcpu.set_saved_state(StateFlags::USER_MODE);
                    vcpu.set_registers(arch::registers(arch::read_data, DATA));
                    vcpu.run(&[]).unwrap();
                    let seen = arch::value(&vcpu.registers());
                    assert_eq!(seen, 1 + index as u64, "round {round}, CPU {cpu}");
                }
            }
        }));
    }
    visitors.into_iter().flatten().for_each(Worker::join);
}

fn map(task: &OwnedCap<Task>, from: u64, to: u64, rights: MemoryRights) {
    let control = ItemControl::map(to, ItemFlags::empty());
    let flexpage = Flexpage::memory(from, PAGE_ORDER, rights);
    task.map(own::task(), control, flexpage).unwrap();
}

/// The calling thread as a vCPU.
fn new_vcpu(state: u64) -> Vcpu {
    let area = Flexpage::memory(state, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
    Thread::SELF.vcpu_control(state).unwrap();
    // SAFETY: a page of kernel-user memory of its own, which stays.
    unsafe { Vcpu::new(state as usize) }
}
