//! Calls: of a server that lives, and of one that crashes and is started again.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use l4_test::abi::error::IpcError;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{wait, wait_for, word};
use l4_test::sys::object::IpcGate;
use l4_test::sys::{Cap, Object, ipc};
use l4_test::worker::current;
use l4_test::{Message, Outcome, failed, own, spawn_on};

use crate::actor::{Actor, Role, cpus};
use crate::arch;

pub(crate) const ROLES: &[Role] = &[
    Role {
        name: "server",
        body: serve,
        serves: true,
    },
    Role {
        name: "client",
        body: call,
        serves: false,
    },
    Role {
        name: "other client",
        body: call,
        serves: false,
    },
    Role {
        name: "servers that crash",
        body: crash,
        serves: true,
    },
    Role {
        name: "their client",
        body: insist,
        serves: false,
    },
];

/// How long servers wait before they look whether to go on.
pub(crate) const TURN: Timeout = Timeout::from_micros(2000);

/// Slots of the two gates.
static GATES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Whether there is a server at the first one.
static SERVES: AtomicBool = AtomicBool::new(false);

pub(crate) fn prepare() {
    for gate in &GATES {
        let made = own::factory().create_unbound_gate().unwrap().leak();
        gate.store(made.selector().index(), SeqCst);
    }
}

fn gate(index: usize) -> Cap<IpcGate> {
    Cap::at(GATES[index].load(SeqCst))
}

fn serve(actor: &Actor) {
    gate(0).bind_thread(current(), 0x40).unwrap();
    SERVES.store(true, SeqCst);
    while actor.goes_on() {
        if wait_for(TURN).came() {
            Message::new(0).words(&[word(0) + 1]).reply();
            actor.step();
        }
    }
    SERVES.store(false, SeqCst);
}

fn call(actor: &Actor) {
    while !SERVES.load(SeqCst) {
        ipc::yield_now();
    }
    let mut number = 0;
    while actor.goes_on() {
        let words = [number; 63];
        let length = 1 + number as usize % words.len();
        let reply = Message::new(0).words(&words[..length]).call(*gate(0));
        number += 1;
        assert_eq!((reply.outcome(), word(0)), (Ok(0), number));
        actor.step();
    }
}

/// What makes the server crash.
const POISON: u64 = u64::MAX;

fn serve_until_poisoned() {
    let mut reply = wait();
    loop {
        if reply.came() && word(0) == POISON {
            // SAFETY: nobody answers the exception.
            unsafe { arch::undefined() };
        }
        reply = match reply.came() {
            true => Message::new(0).words(&[word(0) + 1]).reply_and_wait(),
            // Cancelled.
            false => wait(),
        };
    }
}

/// Starts the server, and lets it live for a while. It may be destroyed in the midst of a call, and
/// it may be cancelled.
fn crash(actor: &Actor) {
    let mut random = actor.random();
    while actor.goes_on() {
        let cpu = random.below(cpus().into()) as u32;
        let server = spawn_on(cpu, serve_until_poisoned);
        gate(1).bind_thread(server.thread(), 0x80).unwrap();
        ipc::sleep(Duration::from_micros(200 + random.below(3000)));
        if random.below(2) == 0 {
            (server.thread().ex_regs(None, None, ExRegsFlags::CANCEL)).unwrap();
        }
        drop(server);
        actor.step();
    }
}

/// What can come of a call of a server that ends.
const ENDS: [Outcome; 3] = [
    failed(IpcError::SEND_CANCELED),
    failed(IpcError::RECEIVE_CANCELED),
    failed(IpcError::NOT_EXISTENT),
];

fn insist(actor: &Actor) {
    let mut random = actor.random();
    while actor.goes_on() {
        let number = match random.below(50) {
            0 => POISON,
            number => number,
        };
        let reply = Message::new(0).words(&[number]).call(*gate(1));
        if reply.came() {
            assert_eq!((reply.outcome(), word(0)), (Ok(0), number + 1));
            actor.step();
        } else {
            let outcome = reply.outcome();
            assert!(ENDS.contains(&outcome), "{outcome:?}");
        }
    }
}
