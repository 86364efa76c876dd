//! Objects.

use l4_test::abi::error::IpcError;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::timeout::Timeout;
use l4_test::abi::utcb::AREA_MAX_ORDER;
use l4_test::hoard::{FRAGMENTS, Hoard, kernel_memory, touch_slots};
use l4_test::memory::UNUSED;
use l4_test::message::{nobody, receive, wait, word};
use l4_test::sys::object::{Factory, Thread};
use l4_test::sys::{AnyObject, Cap, OwnedCap, Result};
use l4_test::{Message, failed, own, spawn};

use crate::alone::check;

type Make = fn(Cap<Factory>) -> Result<OwnedCap<AnyObject>>;

const KINDS: [(&str, Make); 6] = [
    ("gates", |factory| Ok(factory.create_unbound_gate()?.cast())),
    ("threads", |factory| Ok(factory.create_thread()?.cast())),
    ("tasks", |factory| {
        Ok(factory.create_task(Flexpage::NIL)?.cast())
    }),
    ("factories", |factory| {
        Ok(factory.create_factory(4096)?.cast())
    }),
    ("interrupts", |factory| Ok(factory.create_irq()?.cast())),
    ("semaphores", |factory| {
        Ok(factory.create_semaphore()?.cast())
    }),
];

pub(crate) fn objects_of_each_kind() {
    for (kind, make) in KINDS {
        check(128 << 10, |factory, others_work| {
            let mut made = Hoard::new();
            assert!(made.fill(|| make(factory)) > 4, "{kind}");
            others_work();
        });
    }
}

/// The root factory has no limit but this. Who needs no more of it notices nothing.
pub(crate) fn all_kernel_memory_there_is() {
    touch_slots();
    let server = spawn(|| {
        wait();
        loop {
            Message::new(0).words(&[word(0) + 1]).reply_and_wait();
        }
    });
    let before = kernel_memory();
    assert!(before > 2000, "{before}");
    live_on_without(*server.thread());
    for _ in 0..5 {
        let after = kernel_memory();
        assert!(after + FRAGMENTS >= before, "{before} frames, then {after}");
    }
}

/// A call and a timeout, while there is no kernel memory left for even the smallest object.
#[inline(never)]
fn live_on_without(server: Thread) {
    let area = Flexpage::memory(UNUSED, AREA_MAX_ORDER, MemoryRights::RW);
    let [mut large, mut tasks, mut small] = [const { Hoard::new() }; 3];
    large.fill(|| own::factory().create_task(area));
    tasks.fill(|| own::factory().create_task(Flexpage::NIL));
    small.fill(|| own::factory().create_semaphore());
    let reply = Message::new(0).words(&[41]).call(server);
    assert_eq!((reply.outcome(), word(0)), (Ok(0), 42));
    let sleep = receive(nobody(), Timeout::from_micros(100));
    assert_eq!(sleep.outcome(), failed(IpcError::RECEIVE_TIMEOUT));
}
