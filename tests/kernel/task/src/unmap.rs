//! Revoking what was mapped.

use core::mem::transmute;

use l4_test::abi::exception::FaultWord;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::timeout::Timeout;
use l4_test::fault::{access, spawn_paged};
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate};
use l4_test::message::{receive, word};
use l4_test::sys::{Object, Utcb};
use l4_test::{Message, own};

use crate::map::{clear, map, task};

/// A page, and aliases of it at `UNUSED` and behind that, each mapped from the one before.
fn chain<const N: usize>() -> [u64; N] {
    let mut chain = [0; N];
    chain[0] = allocate(PAGE_ORDER);
    for index in 1..N {
        chain[index] = UNUSED + index as u64 * PAGE;
        let source = (own::task(), chain[index - 1]);
        map(
            source,
            (own::task(), chain[index]),
            PAGE_ORDER,
            MemoryRights::RW,
        );
    }
    chain
}

fn unmap(address: u64, rights: MemoryRights, mask: UnmapMask) {
    let flexpage = Flexpage::memory(address, PAGE_ORDER, rights);
    own::task().unmap(flexpage, mask).unwrap();
}

pub(crate) fn other_spaces_lose_what_they_got() {
    let [page, alias] = chain();
    unmap(page, MemoryRights::RWX, UnmapMask::OTHER_SPACES);
    assert_eq!([page, alias].map(access), [(true, true), (false, false)]);
}

pub(crate) fn all_spaces_include_the_own() {
    let [_page, alias] = chain();
    unmap(alias, MemoryRights::RWX, UnmapMask::ALL_SPACES);
    assert_eq!(access(alias), (false, false));
}

pub(crate) fn the_whole_tree_below_goes() {
    let [_, first, second, third] = chain();
    let other = task();
    map(
        (own::task(), third),
        (other.as_cap(), 0x5000),
        PAGE_ORDER,
        MemoryRights::RW,
    );
    unmap(first, MemoryRights::RWX, UnmapMask::OTHER_SPACES);
    assert_eq!(access(first), (true, true));
    assert_eq!([second, third].map(access), [(false, false); 2]);
    map(
        (other.as_cap(), 0x5000),
        (own::task(), second),
        PAGE_ORDER,
        MemoryRights::RW,
    );
    assert_eq!(access(second), (false, false));
    clear(first, PAGE_ORDER);
}

pub(crate) fn write_can_be_revoked_alone() {
    let [page, first, second] = chain();
    unmap(page, MemoryRights::WRITE, UnmapMask::OTHER_SPACES);
    assert_eq!(access(page), (true, true));
    assert_eq!([first, second].map(access), [(true, false); 2]);
    unmap(first, MemoryRights::RWX, UnmapMask::ALL_SPACES);
}

/// Code that runs wherever it is mapped.
#[inline(never)]
extern "C" fn seven() -> u64 {
    7
}

/// What comes of [`seven`] in the page at `alias`, in a thread of its own; `None` if it may not be
/// run.
fn run_at(alias: u64) -> Option<u64> {
    let place = alias + (seven as *const () as u64 & (PAGE - 1));
    let worker = spawn_paged(move || {
        // SAFETY: another name of the function.
        let code: extern "C" fn() -> u64 = unsafe { transmute(place as *const ()) };
        Message::new(0).words(&[code()]).send(*own::thread());
    });
    let reply = receive(*worker.thread(), Timeout::NEVER);
    match reply.tag.label() {
        label::PAGE_FAULT => {
            assert_eq!(FaultWord::from_raw(word(0)).address() & !7, place & !7);
            None
        }
        _ => Some(word(0)),
    }
}

pub(crate) fn execute_can_be_revoked_alone() {
    let page = seven as *const () as u64 & !(PAGE - 1);
    let aliases = [UNUSED, UNUSED + PAGE];
    for alias in aliases {
        let source = (own::task(), page);
        map(source, (own::task(), alias), PAGE_ORDER, MemoryRights::RX);
    }
    assert_eq!(aliases.map(run_at), [Some(7); 2]);
    unmap(UNUSED, MemoryRights::EXECUTE, UnmapMask::ALL_SPACES);
    assert_eq!(aliases.map(run_at), [None, Some(7)]);
    assert_eq!(access(UNUSED), (true, false));
    for alias in aliases {
        clear(alias, PAGE_ORDER);
    }
}

pub(crate) fn orders_below_a_page_unmap_nothing() {
    let [_page, alias] = chain();
    let flexpage = Flexpage::memory(alias, 11, MemoryRights::RWX);
    let answer = own::task().unmap(flexpage, UnmapMask::ALL_SPACES).unwrap();
    assert_eq!(answer.rights(), 0);
    assert_eq!(access(alias), (true, true));
    clear(alias, PAGE_ORDER);
}

pub(crate) fn kernel_user_memory_stays() {
    let utcb = Utcb::current().address() as u64;
    unmap(utcb, MemoryRights::RWX, UnmapMask::ALL_SPACES);
    assert_eq!(access(utcb), (true, true));
}

pub(crate) fn several_flexpages_go_at_once() {
    let [_, first, second] = chain();
    let rights = MemoryRights::RWX;
    let words = [
        1,
        UnmapMask::ALL_SPACES.raw(),
        Flexpage::memory(second, PAGE_ORDER, rights).raw(),
        Flexpage::memory(first, PAGE_ORDER, rights).raw(),
    ];
    let reply = Message::new(label::TASK).words(&words).call(*own::task());
    assert_eq!((reply.outcome(), reply.tag.words()), (Ok(0), 4));
    assert_eq!([first, second].map(access), [(false, false); 2]);
}

pub(crate) fn the_answer_comes_without_receive_phase_too() {
    let [_, alias] = chain();
    let flexpage = Flexpage::memory(alias, PAGE_ORDER, MemoryRights::RWX);
    let words = [1, UnmapMask::ALL_SPACES.raw(), flexpage.raw()];
    Message::new(label::TASK)
        .words(&words)
        .operate(own::task().selector(), Operation::SEND);
    // The rights have made room for the access flags, of which a page not accessed has none.
    assert_eq!(word(2) & !3, flexpage.raw() & !7);
}
