//! Many capabilities.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags, MapItem, ReceiveBuffer};
use l4_test::abi::protocol::factory::ObjectType;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::CapabilityRights;
use l4_test::message::{accept, accept_nothing, wait};
use l4_test::sys::object::Semaphore;
use l4_test::sys::{Cap, OwnedCap};
use l4_test::{Message, own, spawn, suite};

use crate::crowd::{SIZE, ticker};

/// The slots of this task that are filled, and others.
const SLOTS: u64 = 0x4000;
const OTHERS: u64 = 0x8000;
const ORDER: u32 = 14;

const ALL: CapabilityRights = CapabilityRights::RWSD;

/// Many slots with capabilities to one object.
fn copies() -> OwnedCap<Semaphore> {
    let object = own::factory().create_semaphore().unwrap();
    for index in SLOTS..SLOTS + SIZE {
        own::task()
            .map_capability(object.as_cap(), index, ALL)
            .unwrap();
    }
    suite::is_alive();
    object
}

fn slots(first: u64) -> Flexpage {
    Flexpage::objects(first, ORDER, ALL)
}

pub(crate) fn many_capabilities_come_and_go() {
    let _object = copies();
    let task = own::factory().create_task(Flexpage::NIL).unwrap();
    let _ticker = ticker();
    let control = ItemControl::map(OTHERS << 12, ItemFlags::empty());
    task.map(own::task(), control, slots(SLOTS)).unwrap();
    task.unmap(slots(OTHERS), UnmapMask::ALL_SPACES).unwrap();
    task.map(own::task(), control, slots(SLOTS)).unwrap();
    task.delete();
    own::task()
        .unmap(slots(SLOTS), UnmapMask::ALL_SPACES)
        .unwrap();
}

pub(crate) fn many_capabilities_come_with_a_message() {
    let _object = copies();
    let receiver = spawn(|| {
        accept(&[ReceiveBuffer::WINDOW_WORD, slots(OTHERS).raw()]);
        wait().tag.items()
    });
    let _ticker = ticker();
    let control =
        ItemControl::map(0, ItemFlags::empty()).raw() | MapItem::capability(0, ALL).control.raw();
    let message = Message::new(0).raw_item(control, slots(SLOTS).raw());
    assert!(message.send(*receiver.thread()).came());
    assert_eq!(receiver.join(), 1);
    own::task()
        .unmap(slots(SLOTS), UnmapMask::ALL_SPACES)
        .unwrap();
    own::task()
        .unmap(slots(OTHERS), UnmapMask::ALL_SPACES)
        .unwrap();
}

pub(crate) fn an_object_with_many_capabilities_goes() {
    let object = copies();
    let _ticker = ticker();
    object.delete();
    let last = Cap::<Semaphore>::at(SLOTS + SIZE - 1);
    assert_eq!(own::task().is_valid(last), Ok(false));
}

pub(crate) fn the_only_capabilities_to_many_objects_go() {
    for kind in [
        ObjectType::Semaphore,
        ObjectType::Thread,
        ObjectType::IpcGate,
    ] {
        for index in SLOTS..SLOTS + SIZE {
            accept(&[ReceiveBuffer::slot_word(index, false)]);
            let made = Message::new(label::FACTORY)
                .words(&[kind.word()])
                .call(*own::factory());
            assert_eq!(made.outcome(), Ok(0));
        }
        accept_nothing();
        suite::is_alive();
        let _ticker = ticker();
        own::task()
            .unmap(slots(SLOTS), UnmapMask::ALL_SPACES)
            .unwrap();
    }
}
