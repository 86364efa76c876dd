//! Destroying threads of another CPU in each state that they can be in, at ever other moments: also
//! before they are in it, and on the way there.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::rights::MemoryRights;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED};
use l4_test::victim::{STATES, State, Surroundings};
use l4_test::{Message, own, spawn_on};

use crate::end::{CANCELLED, GONE, LOST, delay};
use crate::place::cpus;

const ROUNDS: u32 = 60;
/// The quota of what is made in a round: not enough for all rounds if one loses something.
const QUOTA: u64 = 64 << 10;

fn surroundings() -> Surroundings {
    static NEXT: AtomicU64 = AtomicU64::new(UNUSED + (1 << 28));
    let page = NEXT.fetch_add(PAGE, SeqCst);
    let area = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
    Surroundings::new(page)
}

fn destroy(state: State) {
    let surroundings = surroundings();
    let factory = own::factory().create_factory(QUOTA).unwrap();
    for round in 0..ROUNDS {
        let cpu = 1 + round % (cpus() - 1);
        let victim = surroundings.spawn(state, cpu);
        delay(round * 5);
        drop(victim);
        // Its CPU works as before, and so does memory.
        let heir = spawn_on(cpu, || 5);
        assert_eq!(heir.join(), 5);
        assert!(factory.create_thread().is_ok());
    }
}

pub(crate) fn while_it_runs() {
    destroy(State::Running);
}

pub(crate) fn while_it_sends() {
    destroy(State::Sending);
}

pub(crate) fn while_it_waits_for_an_answer() {
    destroy(State::Calling);
}

pub(crate) fn while_it_receives() {
    destroy(State::Receiving);
}

/// Who waits for its answer is told.
pub(crate) fn while_it_holds_reply_capabilities() {
    let surroundings = surroundings();
    for round in 0..ROUNDS {
        let cpu = 1 + round % (cpus() - 1);
        let holder = surroundings.spawn(State::Holding, cpu);
        let thread = holder.thread();
        // One gets through, the other one still sends.
        let clients = [0, 1].map(|client| {
            spawn_on((cpu + client) % cpus(), move || {
                Message::new(0).words(&[1]).call(*thread).outcome()
            })
        });
        delay(round * 20);
        drop(holder);
        for client in clients {
            let outcome = client.join();
            assert!([CANCELLED, LOST, GONE].contains(&outcome), "{outcome:?}");
        }
    }
}

pub(crate) fn while_its_page_fault_waits() {
    destroy(State::Faulting);
}

pub(crate) fn while_its_exception_waits() {
    destroy(State::Raising);
}

pub(crate) fn while_its_timeouts_expire() {
    destroy(State::Sleeping);
}

pub(crate) fn while_it_waits_for_a_semaphore() {
    destroy(State::Down);
}

pub(crate) fn while_it_is_a_vcpu_in_user_mode() {
    destroy(State::UserMode);
}

/// In each state it can be on its way to another CPU.
pub(crate) fn while_it_moves() {
    let surroundings = surroundings();
    for (round, state) in (0..).zip(STATES.into_iter().cycle().take(120)) {
        let victim = surroundings.spawn(state, round % cpus());
        let thread = victim.thread();
        let mover = spawn_on((round + 1) % cpus(), move || {
            for turn in 0..6 {
                let set = CpuSet::single((round + turn) % cpus());
                if own::scheduler().run_thread(thread, set, 100, 0).is_err() {
                    return;
                }
            }
        });
        delay(round * 7);
        drop(victim);
        mover.join();
    }
}
