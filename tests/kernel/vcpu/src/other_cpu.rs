//! vCPUs on another CPU than those who send to them. On a machine with one CPU they are on that.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::vcpu::StateFlags;
use l4_test::message::word;
use l4_test::suite::PRIORITY;
use l4_test::sys::Cap;
use l4_test::sys::object::Thread;
use l4_test::{Message, Worker, own, spawn_on};

use crate::arch;
use crate::guest::{DATA, Guest, USER, settle};
use crate::message::irq;

const ROUNDS: u64 = 100;

/// Messages that have entered.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

fn last_cpu() -> u32 {
    own::scheduler().info().unwrap().cpus.count_ones() - 1
}

fn place(thread: Cap<Thread>, cpu: u32) {
    own::scheduler()
        .run_thread(thread, CpuSet::single(cpu), PRIORITY, 0)
        .unwrap();
}

/// A vCPU on the last CPU that is in its user task whenever nothing enters, for so many messages. It
/// counts them, and answers calls with one more than they say.
fn counting() -> Worker<()> {
    ARRIVED.store(0, SeqCst);
    let guest = Guest::new();
    let page = guest.page;
    let worker = spawn_on(last_cpu(), move || {
        let vcpu = guest.vcpu(arch::spin, DATA);
        for _ in 0..ROUNDS {
            // What came meanwhile enters at once.
            vcpu.set_saved_state(USER | StateFlags::IRQ);
            vcpu.run(&[]).unwrap();
            assert!(arch::is_message(&vcpu.registers()));
            assert!(!vcpu.message().tag.has_error());
            if vcpu.message().tag.label() == CALL {
                let number = word(0) + 1;
                assert!(Message::new(0).words(&[number]).reply().came());
            }
            ARRIVED.fetch_add(1, SeqCst);
        }
    });
    Guest::await_sign(page);
    worker
}

const CALL: i64 = 0x33;

pub(crate) fn no_interrupt_is_lost() {
    let worker = counting();
    let irq = irq(worker.thread(), 0x10);
    for round in 1..=ROUNDS {
        irq.trigger().unwrap();
        settle(|| ARRIVED.load(SeqCst) == round);
    }
    worker.join();
}

pub(crate) fn calls_are_answered() {
    let worker = counting();
    for round in 1..=ROUNDS {
        let reply = Message::new(CALL).words(&[round]).call(*worker.thread());
        assert_eq!((reply.outcome(), word(0)), (Ok(0), round + 1));
    }
    worker.join();
}

pub(crate) fn it_moves_while_messages_come() {
    let worker = counting();
    for round in 1..=ROUNDS {
        place(worker.thread(), round as u32 % (last_cpu() + 1));
        let reply = Message::new(CALL).words(&[round]).call(*worker.thread());
        assert_eq!((reply.outcome(), word(0)), (Ok(0), round + 1));
    }
    worker.join();
}

pub(crate) fn it_ends_in_its_user_task() {
    for _ in 0..10 {
        let worker = counting();
        let irq = irq(worker.thread(), 0x10);
        irq.trigger().unwrap();
        drop(worker);
        // Nobody is there any more.
        irq.trigger().unwrap();
    }
}
