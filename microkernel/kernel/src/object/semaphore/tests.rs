//! Semaphores.

use l4_abi::timeout::Timeout;

use l4_abi::message_tag::MessageTag;

use super::*;
use crate::testing::{Doing, Syscall, TestTask, World, run};

/// Nobody waits while there is something to take.
pub(crate) fn check(cpu: &Cpu, semaphore: &Semaphore) {
    let state = semaphore.state.lock();
    assert!(state.counter == 0 || state.waiters.is_empty());
    for thread in state.waiters.iter(cpu).filter(|thread| thread.is_here(cpu)) {
        assert_eq!(thread.state(cpu).waiting.get(), Waiting::Semaphore);
    }
}

impl Semaphore {
    pub(crate) fn has_waiter(&self, cpu: &Cpu, thread: &Thread) -> bool {
        let state = self.state.lock();
        state.waiters.iter(cpu).any(|waiter| waiter.id == thread.id)
    }
}

const WAITS: Doing = Doing::Waits(Waiting::Semaphore);
const DONE: Doing = Doing::Done(MessageTag::EMPTY);

struct Setup {
    task: TestTask,
    semaphore: Ref<Semaphore>,
    slot: u64,
    user: Ref<Thread>,
}

impl Setup {
    fn new(world: &mut World) -> Self {
        let task = world.task();
        let semaphore = world.semaphore();
        Self {
            slot: world.give_full(&task, semaphore.header()),
            user: world.thread(&task, 10),
            task,
            semaphore,
        }
    }

    fn down(&self) -> Syscall {
        // Word 0 of a fresh UTCB is the operation.
        Syscall::invoke(self.slot, label::SEMAPHORE, 1)
    }

    fn up(&self, world: &mut World) {
        let up = Syscall::send(self.slot).tag(label::IRQ, 0, 0);
        world.syscall(&self.user, up);
    }
}

#[test]
fn each_up_lets_one_down_pass() {
    run(|world| {
        let setup = Setup::new(world);
        setup.up(world);
        setup.up(world);
        assert_eq!(world.syscall(&setup.user, setup.down()), DONE);
        assert_eq!(world.syscall(&setup.user, setup.down()), DONE);
        assert_eq!(world.syscall(&setup.user, setup.down()), WAITS);
    });
}

#[test]
fn waiters_are_woken_by_priority_then_in_the_order_they_came() {
    run(|world| {
        let setup = Setup::new(world);
        let waiters = [5, 9, 5, 9].map(|priority| {
            let thread = world.thread(&setup.task, priority);
            assert_eq!(world.syscall(&thread, setup.down()), WAITS);
            thread
        });
        for first in [1, 3, 0, 2] {
            assert_eq!(world.doing(&waiters[first]), WAITS);
            setup.up(world);
            assert_eq!(world.doing(&waiters[first]), DONE);
        }
    });
}

#[test]
fn a_down_ends_with_its_timeout_a_cancel_or_the_semaphore() {
    run(|world| {
        let setup = Setup::new(world);
        let late = Doing::Failed(IpcError::RECEIVE_TIMEOUT);
        let now = setup.down().receive_timeout(Timeout::ZERO);
        assert_eq!(world.syscall(&setup.user, now), late);
        let soon = setup.down().receive_timeout(Timeout::from_micros(30));
        assert_eq!(world.syscall(&setup.user, soon), WAITS);
        world.advance(30);
        assert_eq!(world.doing(&setup.user), late);

        world.syscall(&setup.user, setup.down());
        setup.user.cancel(world.cpu);
        let cancelled = Doing::Failed(IpcError::RECEIVE_CANCELED);
        assert_eq!(world.doing(&setup.user), cancelled);

        world.syscall(&setup.user, setup.down());
        world.destroy(setup.semaphore.header());
        let gone = Doing::Failed(IpcError::NOT_EXISTENT);
        assert_eq!(world.doing(&setup.user), gone);
    });
}

#[test]
fn who_waits_without_a_receive_phase_keeps_his_tag() {
    run(|world| {
        let setup = Setup::new(world);
        let down = Syscall::send(setup.slot).tag(label::SEMAPHORE, 1, 0);
        assert_eq!(world.syscall(&setup.user, down), WAITS);
        let other = world.thread(&setup.task, 10);
        let up = Syscall::send(setup.slot).tag(label::IRQ, 0, 0);
        world.syscall(&other, up);
        assert_eq!(world.doing(&setup.user), Doing::Done(down.tag));
    });
}

#[test]
fn operations_are_refused_as_the_table_of_errors_says() {
    run(|world| {
        let setup = Setup::new(world);
        let header = setup.semaphore.header();
        let no_special = world.give(&setup.task, header, CapabilityRights::RW);
        for (slot, label, words, code) in [
            (no_special, label::SEMAPHORE, &[0][..], ResultCode::EPERM),
            (setup.slot, label::SEMAPHORE, &[1], ResultCode::ENOSYS),
            (setup.slot, label::SEMAPHORE, &[], ResultCode::EINVAL),
            (setup.slot, label::IRQ, &[3], ResultCode::ENOSYS),
            (
                setup.slot,
                label::KERNEL_OBJECT,
                &[0],
                ResultCode::EBADPROTO,
            ),
            (setup.slot, label::IRQ_SENDER, &[0], ResultCode::EBADPROTO),
        ] {
            let result = world.invoke(&setup.user, slot, label, words, None);
            assert_eq!(result, code.label(), "{label} {words:?}");
        }
    });
}

#[test]
fn the_counter_stays_at_its_end() {
    run(|world| {
        let setup = Setup::new(world);
        setup.semaphore.state.lock().counter = MAX_COUNTER;
        setup.up(world);
        assert_eq!(setup.semaphore.state.lock().counter, MAX_COUNTER);
    });
}
