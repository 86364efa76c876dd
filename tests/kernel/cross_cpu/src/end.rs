//! Ends at bad moments: each round another delay, so that sooner or later every
//! moment is hit.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use l4_test::abi::error::IpcError;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::message::{wait, word};
use l4_test::sys::ipc;
use l4_test::{Message, Outcome, failed, own, spawn_on};

use crate::call::server;
use crate::place::{cpus, place, until};

pub(crate) const CANCELLED: Outcome = failed(IpcError::SEND_CANCELED);
pub(crate) const LOST: Outcome = failed(IpcError::RECEIVE_CANCELED);
pub(crate) const GONE: Outcome = failed(IpcError::NOT_EXISTENT);

/// Spends a time that grows with `round` and then begins anew.
pub(crate) fn delay(round: u32) {
    for _ in 0..round * 37 % 1500 {
        core::hint::spin_loop();
    }
}

pub(crate) fn senders_and_callers_of_a_thread_that_ends_are_told() {
    for round in 0..100 {
        let server = spawn_on(1, || {
            wait();
            ipc::sleep_forever()
        });
        let thread = server.thread();
        let clients = [0, 1, 2].map(|client| {
            spawn_on(client % cpus(), move || {
                Message::new(1).call(*thread).outcome()
            })
        });
        delay(round * 10);
        ipc::sleep(Duration::from_micros(u64::from(round % 4) * 200));
        drop(server);
        for client in clients {
            let outcome = client.join();
            assert!([CANCELLED, LOST, GONE].contains(&outcome), "{outcome:?}");
        }
    }
}

pub(crate) fn a_client_ends_at_any_moment_of_its_calls() {
    let server = server(1);
    let thread = server.thread();
    for round in 0..300 {
        let client = spawn_on(round % cpus(), move || {
            loop {
                Message::new(0).words(&[1]).call(*thread);
            }
        });
        delay(round);
        drop(client);
        // The server is as good as before.
        let reply = Message::new(0).words(&[41]).call(*thread);
        assert_eq!((reply.outcome(), word(0)), (Ok(0), 42));
    }
}

pub(crate) fn a_server_ends_at_any_moment_of_calls() {
    for round in 0..200 {
        let server = server(1);
        let thread = server.thread();
        let client = spawn_on(round % cpus(), move || {
            loop {
                let outcome = Message::new(0).words(&[1]).call(*thread).outcome();
                if outcome != Ok(0) {
                    return outcome;
                }
            }
        });
        delay(round);
        drop(server);
        let outcome = client.join();
        assert!([CANCELLED, LOST, GONE].contains(&outcome), "{outcome:?}");
    }
}

pub(crate) fn a_moving_thread_ends() {
    for round in 0..200 {
        let victim = spawn_on(1, || {
            loop {
                core::hint::spin_loop();
            }
        });
        let thread = victim.thread();
        let mover = spawn_on(round % cpus(), move || {
            for turn in 0..10 {
                let set = l4_test::abi::protocol::scheduler::CpuSet::single(turn % cpus());
                if own::scheduler().run_thread(thread, set, 90, 0).is_err() {
                    return;
                }
            }
        });
        delay(round);
        drop(victim);
        mover.join();
    }
    place(own::thread(), 0);
}

pub(crate) fn cancelling_hits_any_moment_of_a_call() {
    static DONE: AtomicU64 = AtomicU64::new(0);
    let server = server(1);
    let thread = server.thread();
    let client = spawn_on(cpus() - 1, move || {
        loop {
            let outcome = Message::new(0).words(&[1]).call(*thread).outcome();
            assert!([Ok(0), CANCELLED, LOST].contains(&outcome), "{outcome:?}");
            DONE.fetch_add(1, SeqCst);
        }
    });
    for round in 0..500 {
        delay(round);
        client
            .thread()
            .ex_regs(None, None, ExRegsFlags::CANCEL)
            .unwrap();
    }
    let before = DONE.load(SeqCst);
    until("a further call", || DONE.load(SeqCst) > before + 1);
}

/// When the deletion has returned, it has written its last.
pub(crate) fn a_thread_that_is_deleted_runs_no_more() {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    for round in 0..100 {
        let writer = spawn_on(1 + round % (cpus() - 1), || {
            loop {
                WRITES.fetch_add(1, SeqCst);
            }
        });
        let before = WRITES.load(SeqCst);
        until("a write", || WRITES.load(SeqCst) != before);
        drop(writer);
        let last = WRITES.load(SeqCst);
        delay(1000);
        assert_eq!(WRITES.load(SeqCst), last, "it still runs");
    }
}
