//! The state of each thread.

use l4_test::message::wait;
use l4_test::{Message, spawn};

use crate::arch::{get, set};

pub(crate) fn a_thread_begins_with_an_empty_one() {
    set(0x1234);
    assert_eq!(spawn(get).join(), 0);
    assert_eq!(get(), 0x1234);
}

pub(crate) fn threads_that_take_turns_keep_theirs() {
    let workers = [1, 2, 3].map(|number| {
        spawn(move || {
            set(number);
            (0..100).all(|_| {
                wait();
                Message::new(0).reply();
                get() == number
            })
        })
    });
    set(99);
    for _ in 0..100 {
        for worker in &workers {
            Message::new(0).call(*worker.thread());
            assert_eq!(get(), 99);
        }
    }
    assert_eq!(workers.map(|worker| worker.join()), [true; 3]);
}
