//! Where threads run.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::message::{wait, word};
use l4_test::sys::Cap;
use l4_test::sys::ipc;
use l4_test::sys::object::Thread;
use l4_test::worker::comes;
use l4_test::{Message, own, spawn_on};

/// A priority at which threads and the runner take turns.
const PRIORITY: u8 = 100;

/// The number of CPUs.
pub(crate) fn cpus() -> u32 {
    own::scheduler().info().unwrap().cpus.count_ones()
}

pub(crate) fn place(thread: Cap<Thread>, cpu: u32) {
    own::scheduler()
        .run_thread(thread, CpuSet::single(cpu), PRIORITY, 0)
        .unwrap();
}

/// How long CPU `cpu` has been idle, in µs.
fn idle(cpu: u32) -> u64 {
    own::scheduler().idle_time(CpuSet::single(cpu)).unwrap()
}

/// Lets time pass until `is_so`.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    assert!(comes(is_so), "{what} does not come");
}

/// While a thread runs there, a CPU is not idle, and the others are.
pub(crate) fn a_thread_runs_on_the_cpu_that_it_is_given() {
    static STOP: AtomicBool = AtomicBool::new(false);
    for cpu in 1..cpus() {
        STOP.store(false, SeqCst);
        let worker = spawn_on(cpu, || {
            while !STOP.load(SeqCst) {
                core::hint::spin_loop();
            }
        });
        until("work", || {
            let before = idle(cpu);
            ipc::sleep(Duration::from_millis(2));
            idle(cpu) == before
        });
        STOP.store(true, SeqCst);
        worker.join();
        until("rest", || {
            let before = idle(cpu);
            ipc::sleep(Duration::from_millis(2));
            idle(cpu) > before
        });
    }
}

pub(crate) fn a_running_thread_moves() {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    TURNS.store(0, SeqCst);
    let worker = spawn_on(1, || {
        loop {
            TURNS.fetch_add(1, SeqCst);
        }
    });
    for round in 0..200 {
        place(worker.thread(), 1 + round % (cpus() - 1));
        let before = TURNS.load(SeqCst);
        until("progress", || TURNS.load(SeqCst) != before);
        place(worker.thread(), 0);
        // Now it takes turns with the runner.
        let before = TURNS.load(SeqCst);
        until("progress at home", || TURNS.load(SeqCst) != before);
    }
}

pub(crate) fn a_thread_is_controlled_from_another_cpu() {
    let worker = spawn_on(1, || ipc::sleep_forever());
    let thread = worker.thread();
    for _ in 0..200 {
        thread.time().unwrap();
        let old = thread.ex_regs(None, None, ExRegsFlags::empty()).unwrap();
        assert!(old.instruction_pointer != 0);
    }
}

/// Client and server go round the CPUs while they talk.
pub(crate) fn a_call_survives_that_both_sides_move() {
    const MOVES: u32 = 600;
    static STOP: AtomicBool = AtomicBool::new(false);
    STOP.store(false, SeqCst);
    let server = spawn_on(1, || {
        wait();
        loop {
            Message::new(0).words(&[word(0) + 1]).reply_and_wait();
        }
    });
    let thread = server.thread();
    let client = spawn_on(0, move || {
        let mut number = 0;
        while !STOP.load(SeqCst) {
            let reply = Message::new(0).words(&[number]).call(*thread);
            number += 1;
            assert_eq!((reply.outcome(), word(0)), (Ok(0), number));
        }
        number
    });
    for round in 0..MOVES {
        place(thread, round % cpus());
        place(client.thread(), round / 2 % cpus());
    }
    STOP.store(true, SeqCst);
    assert!(client.join() > 0);
}
