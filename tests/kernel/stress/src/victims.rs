//! Threads that are moved, cancelled and destroyed whatever they are doing.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::rights::MemoryRights;
use l4_test::memory::{PAGE_ORDER, UNUSED};
use l4_test::own;
use l4_test::suite::PRIORITY;
use l4_test::victim::{STATES, Surroundings};

use crate::actor::{Actor, Role, cpus};

pub(crate) const ROLES: &[Role] = &[Role {
    name: "destroyer",
    body: destroy,
    serves: false,
}];

/// Where the victims' vCPU has its state.
const STATE: u64 = UNUSED + (1 << 28) + (1 << 20);

pub(crate) fn prepare() {
    let area = Flexpage::memory(STATE, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
}

fn destroy(actor: &Actor) {
    let surroundings = Surroundings::new(STATE);
    let mut random = actor.random();
    while actor.goes_on() {
        let state = STATES[random.below(STATES.len() as u64) as usize];
        let victim = surroundings.spawn(state, random.below(cpus().into()) as u32);
        random.delay();
        for _ in 0..random.below(3) {
            let cpu = CpuSet::single(random.below(cpus().into()) as u32);
            (own::scheduler().run_thread(victim.thread(), cpu, PRIORITY, 0)).unwrap();
            random.delay();
        }
        if random.below(4) == 0 {
            (victim.thread().ex_regs(None, None, ExRegsFlags::CANCEL)).unwrap();
        }
        drop(victim);
        actor.step();
    }
}
