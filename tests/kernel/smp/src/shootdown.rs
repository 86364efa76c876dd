//! Memory that is taken away from CPUs that are using it.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::timeout::Timeout;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::message::{receive, word};
use l4_test::sys::Object;
use l4_test::sys::object::Control;
use l4_test::{Message, Worker, own, spawn_on};

use crate::parallel::{others, wait_until};

/// How often each page is taken away.
const ROUNDS: u64 = 10;

/// 1 while the writer goes on.
static GO: AtomicU64 = AtomicU64::new(0);

fn map(page: u64, address: u64) {
    let control = ItemControl::map(address, ItemFlags::empty());
    let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RW);
    own::task().map(own::task(), control, flexpage).unwrap();
}

fn unmap(address: u64, rights: MemoryRights) {
    let flexpage = Flexpage::memory(address, PAGE_ORDER, rights);
    own::task().unmap(flexpage, UnmapMask::ALL_SPACES).unwrap();
}

/// A thread on `cpu` that counts in the word at `address`; its page faults come to the runner.
fn writer(cpu: u32, address: u64) -> Worker<()> {
    GO.store(0, SeqCst);
    let worker = spawn_on(cpu, move || {
        while GO.load(SeqCst) == 0 {
            spin_loop();
        }
        let mut count = 0;
        while GO.load(SeqCst) == 1 {
            count += 1;
            store(address, count);
        }
    });
    let control = Control {
        pager: Some(own::thread().selector()),
        ..Control::default()
    };
    worker.thread().control(control).unwrap();
    GO.store(1, SeqCst);
    worker
}

/// Takes `rights` on a page away from a thread that writes to it, on some CPUs. What the kernel
/// says is gone is not written to any more.
fn take_from_writers(rights: MemoryRights) {
    let page = allocate(PAGE_ORDER);
    for cpu in others().take(3) {
        map(page, UNUSED);
        let worker = writer(cpu, UNUSED);
        for round in 0..ROUNDS {
            let before = load(page);
            wait_until(|| load(page) != before);
            unmap(UNUSED, rights);
            let last = load(page);
            let fault = receive(*worker.thread(), Timeout::NEVER);
            assert_eq!(fault.tag.label(), label::PAGE_FAULT);
            assert_eq!(word(0) & !7, UNUSED);
            assert_eq!(load(page), last, "CPU {cpu}, round {round}");
            map(page, UNUSED);
            Message::new(0).send(*worker.thread());
        }
        GO.store(2, SeqCst);
        worker.join();
        unmap(UNUSED, MemoryRights::RWX);
    }
}

pub(crate) fn no_cpu_writes_to_a_page_that_is_gone() {
    take_from_writers(MemoryRights::RWX);
}

pub(crate) fn no_cpu_writes_to_a_page_that_it_may_only_read() {
    take_from_writers(MemoryRights::WRITE);
}

/// Each CPU has to forget what the others take away, while it waits for them.
pub(crate) fn two_cpus_take_pages_from_each_other() {
    let page = allocate(PAGE_ORDER);
    let take_often = move |number: u64| {
        let address = UNUSED + (1 + number) * PAGE;
        for round in 0..40 {
            map(page, address);
            assert_eq!(load(address), load(page), "round {round}");
            unmap(address, MemoryRights::RWX);
        }
    };
    let mut workers: [Option<Worker<()>>; 3] = [const { None }; 3];
    for (cpu, place) in others().zip(&mut workers) {
        *place = Some(spawn_on(cpu, move || take_often(u64::from(cpu))));
    }
    take_often(0);
    for worker in workers.into_iter().flatten() {
        worker.join();
    }
}
