//! Messages between CPUs.

use core::time::Duration;

use l4_test::abi::error::IpcError;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::abi::timeout::Timeout;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED};
use l4_test::message::{receive, wait, word};
use l4_test::sys::object::Control;
use l4_test::sys::{Object, ipc};
use l4_test::{Message, Worker, failed, memory, own, spawn_on};

use crate::place::cpus;

/// Answers each message with its word plus one.
pub(crate) fn server(cpu: u32) -> Worker<()> {
    spawn_on(cpu, || {
        wait();
        loop {
            let next = Message::new(0)
                .words(&[word(0) + 1])
                .send_timeout(Timeout::ZERO)
                .reply_and_wait();
            // Without somebody to answer there is no receive phase.
            if !next.came() {
                wait();
            }
        }
    })
}

pub(crate) fn calls_come_and_are_answered() {
    let server = server(1);
    let thread = server.thread();
    for number in 0..3000 {
        let reply = Message::new(0).words(&[number]).call(*thread);
        assert_eq!((reply.outcome(), word(0)), (Ok(0), number + 1));
    }
}

pub(crate) fn each_of_many_clients_gets_its_own_answer() {
    let server = server(1);
    let thread = server.thread();
    let clients = [0, 1, 2, 3, 4, 5].map(|client| {
        spawn_on(client as u32 % cpus(), move || {
            for round in 0..500 {
                let number = client << 32 | round;
                let reply = Message::new(0).words(&[number]).call(*thread);
                assert_eq!((reply.outcome(), word(0)), (Ok(0), number + 1));
            }
        })
    });
    clients.into_iter().for_each(Worker::join);
}

pub(crate) fn send_timeout_zero_finds_who_waits() {
    let sleeper = spawn_on(1, || ipc::sleep_forever());
    let impatient = Message::new(1).send_timeout(Timeout::ZERO);
    ipc::sleep(Duration::from_millis(1));
    let refused = impatient.send(*sleeper.thread()).outcome();
    assert_eq!(refused, failed(IpcError::SEND_TIMEOUT));
    let runner = own::thread();
    for number in 0..300 {
        // It waits again before this hears that it got the last one.
        let waiter = spawn_on(1, move || {
            Message::new(0).words(&[number]).call(*runner);
            word(0)
        });
        assert!(receive(*waiter.thread(), Timeout::NEVER).came());
        let words = [word(0) + 7];
        let answer = Message::new(0).words(&words).send_timeout(Timeout::ZERO);
        assert!(answer.send(*waiter.thread()).came());
        assert_eq!(waiter.join(), number + 7);
    }
}

pub(crate) fn timeouts_end_waits_for_another_cpu() {
    let sleeper = spawn_on(1, || ipc::sleep_forever());
    let short = Timeout::from_micros(800);
    for _ in 0..20 {
        let send = Message::new(1).send_timeout(short).send(*sleeper.thread());
        assert_eq!(send.outcome(), failed(IpcError::SEND_TIMEOUT));
    }
    let silent = spawn_on(1, || {
        loop {
            wait();
        }
    });
    for _ in 0..20 {
        let call = Message::new(1)
            .receive_timeout(short)
            .call(*silent.thread());
        assert_eq!(call.outcome(), failed(IpcError::RECEIVE_TIMEOUT));
    }
}

/// The runner maps a page for a thread on another CPU that has touched it.
pub(crate) fn a_page_fault_crosses() {
    let page = memory::allocate(PAGE_ORDER);
    memory::store(page, 0x1234);
    let worker = spawn_on(1, || {
        wait();
        memory::load(UNUSED)
    });
    let runner = Some(own::thread().selector());
    let control = Control {
        pager: runner,
        ..Control::default()
    };
    worker.thread().control(control).unwrap();
    assert!(Message::new(0).send(*worker.thread()).came());
    let fault = wait();
    assert_eq!(fault.tag.label(), label::PAGE_FAULT);
    assert_eq!(word(0) & !(PAGE - 1), UNUSED);
    let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RW);
    let mapped = Message::new(label::TASK)
        .words(&[0, UNUSED, flexpage.raw()])
        .capability(own::task(), CapabilityRights::RWS)
        .call(*own::task());
    assert_eq!(mapped.outcome(), Ok(0));
    assert!(Message::new(0).reply().came());
    assert_eq!(worker.join(), 0x1234);
}
