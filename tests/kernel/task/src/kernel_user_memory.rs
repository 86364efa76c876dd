//! Memory that kernel and user share, for UTCBs.

use l4_test::abi::error::ResultCode;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::fault::access;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load};
use l4_test::message::word;
use l4_test::sys::Utcb;
use l4_test::{Message, own, refused};

use crate::map::{clear, map, task};

/// Where the tests add memory: it stays until the end.
const AREA: u64 = UNUSED + (1 << 30);

pub(crate) fn areas_are_added() {
    let wish = Flexpage::memory(AREA, 14, MemoryRights::RWX);
    let area = own::task().add_kernel_user_memory(wish).unwrap();
    assert_eq!(area.raw(), wish.with_rights(0).raw());
    for page in 0..4 {
        assert_eq!(load(AREA + page * PAGE), 0);
        assert_eq!(access(AREA + page * PAGE), (true, true));
    }
}

pub(crate) fn several_areas_can_be_added_at_once() {
    let other = task();
    let areas = [0x10_0000, 0x20_0000]
        .map(|address| Flexpage::memory(address, PAGE_ORDER, MemoryRights::empty()).raw());
    let words = [3, areas[0], areas[1]];
    let reply = Message::new(label::TASK).words(&words).call(**other);
    assert_eq!((reply.outcome(), reply.tag.words()), (Ok(0), 2));
    assert_eq!([word(0), word(1)], areas);
    let none = Message::new(label::TASK).words(&[3]).call(**other);
    assert_eq!((none.outcome(), none.tag.words()), (Ok(0), 0));
}

pub(crate) fn wrong_areas_are_refused() {
    let rights = MemoryRights::RW;
    let wrong = [
        Flexpage::NIL,
        Flexpage::ALL_SPACES,
        Flexpage::object(0x10, CapabilityRights::RWS),
        Flexpage::memory(UNUSED, 11, rights),
        Flexpage::memory(UNUSED, 18, rights),
        Flexpage::memory(UNUSED, 63, rights),
        Flexpage::memory(1 << 63, PAGE_ORDER, rights),
        Flexpage::memory(!0xfff, PAGE_ORDER, rights),
    ];
    for area in wrong {
        let refusal = refused(ResultCode::EINVAL);
        let other = task();
        assert_eq!(other.add_kernel_user_memory(area), refusal, "{area:?}");
    }
}

pub(crate) fn areas_must_not_overlap_anything() {
    let exists = refused(ResultCode::EEXIST);
    let utcb = Utcb::current().address() as u64;
    let on_utcb = Flexpage::memory(utcb, PAGE_ORDER, MemoryRights::RW);
    assert_eq!(own::task().add_kernel_user_memory(on_utcb), exists);

    let page = allocate(PAGE_ORDER);
    map(
        (own::task(), page),
        (own::task(), UNUSED + PAGE),
        PAGE_ORDER,
        MemoryRights::RW,
    );
    let on_page = Flexpage::memory(UNUSED, 13, MemoryRights::RW);
    assert_eq!(own::task().add_kernel_user_memory(on_page), exists);
    clear(UNUSED, 13);
}
