//! Page faults that a pager resolves, while somebody takes the pages away.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::exception::FaultWord;
use l4_test::abi::flexpage::{Flexpage, Space};
use l4_test::abi::item::{ItemControl, ItemFlags, MapItem};
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::MemoryRights;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::message::{wait_for, word};
use l4_test::sys::object::{Control, Thread};
use l4_test::sys::{Object, Selector, ipc};
use l4_test::worker::current;
use l4_test::{Message, own};

use crate::actor::{Actor, Role};
use crate::messages::TURN;

pub(crate) const ROLES: &[Role] = &[
    Role {
        name: "pager",
        body: resolve,
        serves: true,
    },
    Role {
        name: "reader",
        body: read,
        serves: false,
    },
    Role {
        name: "unmapper",
        body: unmap,
        serves: false,
    },
];

/// Where the pages appear.
const REGION: u64 = UNUSED + (1 << 27);
const ORDER: u32 = 18;
const PAGES: u64 = 1 << (ORDER - PAGE_ORDER);

/// The pages themselves, and the slot of the pager.
static PAGES_START: AtomicU64 = AtomicU64::new(0);
static PAGER: AtomicU64 = AtomicU64::new(0);

pub(crate) fn prepare() {
    let start = allocate(ORDER);
    (0..PAGES).for_each(|page| store(start + page * PAGE, page));
    PAGES_START.store(start, SeqCst);
}

fn resolve(actor: &Actor) {
    PAGER.store(current().selector().index(), SeqCst);
    while actor.goes_on() {
        let message = wait_for(TURN);
        if !message.came() {
            continue;
        }
        assert_eq!(message.tag.label(), label::PAGE_FAULT);
        let offset = FaultWord::from_raw(word(0)).address() - REGION;
        let page = PAGES_START.load(SeqCst) + (offset & !(PAGE - 1));
        let item = MapItem {
            control: ItemControl::map(REGION + (offset & !(PAGE - 1)), ItemFlags::empty()),
            space: Space::Memory,
            ..MapItem::memory(page, PAGE_ORDER, MemoryRights::RW)
        };
        Message::new(0).item(item).reply();
        actor.step();
    }
    PAGER.store(0, SeqCst);
}

fn read(actor: &Actor) {
    while PAGER.load(SeqCst) == 0 {
        ipc::yield_now();
    }
    let control = Control {
        pager: Some(Selector::new(PAGER.load(SeqCst))),
        ..Control::default()
    };
    Thread::SELF.control(control).unwrap();
    let mut random = actor.random();
    while actor.goes_on() {
        let page = random.below(PAGES);
        assert_eq!(load(REGION + page * PAGE), page);
        actor.step();
    }
}

fn unmap(actor: &Actor) {
    let mut random = actor.random();
    while actor.goes_on() {
        let order = PAGE_ORDER + random.below(u64::from(ORDER - PAGE_ORDER) + 1) as u32;
        let block = random.below(1 << (ORDER - order)) << order;
        let there = Flexpage::memory(REGION + block, order, MemoryRights::RWX);
        own::task().unmap(there, UnmapMask::ALL_SPACES).unwrap();
        random.delay();
        actor.step();
    }
}
