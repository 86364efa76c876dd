//! Which mappings were read and written, as unmap tells it.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::task::{DIRTY, REFERENCED, UnmapMask};
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::memory::{PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::own;
use l4_test::sys::Object;

use crate::arch::HAS_ACCESS_FLAGS;
use crate::map::{clear, map};

/// Asks for the flags of the descendants of `page`, without revoking anything.
fn query(page: u64) -> u64 {
    let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::empty());
    let answer = own::task()
        .unmap(flexpage, UnmapMask::OTHER_SPACES)
        .unwrap();
    u64::from(answer.rights())
}

pub(crate) fn what_was_done_is_told() {
    let expected = |flags| if HAS_ACCESS_FLAGS { flags } else { 0 };
    let page = allocate(PAGE_ORDER);
    let (source, target) = ((own::task(), page), (own::task(), UNUSED));
    map(source, target, PAGE_ORDER, MemoryRights::RW);
    query(page);
    assert_eq!(query(page), 0);
    load(UNUSED);
    assert_eq!(query(page), expected(REFERENCED));
    assert_eq!(query(page), 0);
    store(UNUSED, 1);
    assert_eq!(query(page), expected(REFERENCED | DIRTY));
    clear(UNUSED, PAGE_ORDER);
}

/// Those of the named mapping too if all spaces are asked for; they stay.
pub(crate) fn the_own_ones_are_told_with_those_of_all_spaces() {
    let all = |page| {
        let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::empty());
        let answer = own::task().unmap(flexpage, UnmapMask::ALL_SPACES).unwrap();
        u64::from(answer.rights())
    };
    let expected = |flags| if HAS_ACCESS_FLAGS { flags } else { 0 };
    let page = allocate(PAGE_ORDER);
    load(page);
    assert_eq!(query(page), 0);
    let before = all(page);
    store(page, 1);
    assert_eq!(query(page), 0);
    assert_eq!([all(page), all(page)], [expected(REFERENCED | DIRTY); 2]);
    assert_eq!(before & !(REFERENCED | DIRTY), 0);
}

pub(crate) fn capabilities_have_none() {
    let gate = own::factory().create_unbound_gate().unwrap();
    let flexpage = Flexpage::object(gate.selector().index(), CapabilityRights::RWSD);
    let answer = own::task().unmap(flexpage, UnmapMask::ALL_SPACES).unwrap();
    assert_eq!(answer.rights(), 0);
}
