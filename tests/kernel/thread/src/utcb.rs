//! What the kernel does with a UTCB outside of messages (`abi/02`).

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::utcb::{FREE_MARKER_OFFSET, KERNEL_WORD_OFFSET, SIZE, USER_OFFSET};
use l4_test::memory::{PAGE_ORDER, UNUSED, load, store};
use l4_test::message::wait;
use l4_test::{Message, own, spawn};

use crate::arch;
use crate::binding::{bind, thread};

/// Where the test adds memory: it stays until the end.
const AREA: u64 = UNUSED + (1 << 30);

pub(crate) fn a_new_one_is_empty_but_for_the_kernel_word() {
    let wish = Flexpage::memory(AREA, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(wish).unwrap();
    let words = |utcb: u64| (0..SIZE as u64 / 8).map(move |word| load(utcb + 8 * word));
    assert!(words(AREA).all(|word| word == 0));
    let thread = thread();
    assert_eq!(bind(thread.as_cap(), own::task(), AREA as usize), Ok(0));
    let kernel_word = load(AREA + KERNEL_WORD_OFFSET as u64);
    assert_eq!(kernel_word, arch::kernel_word(AREA));
    store(AREA + KERNEL_WORD_OFFSET as u64, 0);
    assert!(words(AREA).all(|word| word == 0));
}

pub(crate) fn the_words_of_the_user_stay() {
    let server = spawn(|| {
        wait();
        Message::new(0).words(&[1; 63]).reply();
    });
    let user = server.utcb_address() + USER_OFFSET as u64;
    let places = [user, user + 8, user + 16];
    places.iter().for_each(|&place| store(place, place));
    Message::new(0).words(&[2; 63]).call(*server.thread());
    assert_eq!(places.map(load), places);
}

pub(crate) fn the_free_marker_is_cleared_when_the_thread_goes() {
    let worker = spawn(|| ());
    let marker = worker.utcb_address() + FREE_MARKER_OFFSET as u64;
    store(marker, 1);
    drop(worker);
    assert_eq!(load(marker), 0);
}
