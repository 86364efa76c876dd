//! Who of several senders comes first.

use l4_test::message::wait;
use l4_test::suite::PRIORITY;
use l4_test::{Message, own, spawn, spawn_at};

pub(crate) fn senders_go_by_priority() {
    let _senders = [2, 5, 1, 4, 3].map(|number: u8| {
        spawn_at(PRIORITY + number, move || {
            Message::new(number.into()).send(*own::thread());
        })
    });
    assert_eq!([(); 5].map(|()| wait().tag.label()), [5, 4, 3, 2, 1]);
}

pub(crate) fn equal_senders_go_by_arrival() {
    let _senders = [3, 1, 4, 2].map(|number| {
        spawn(move || {
            Message::new(number).send(*own::thread());
        })
    });
    assert_eq!([(); 4].map(|()| wait().tag.label()), [3, 1, 4, 2]);
}

pub(crate) fn an_interrupt_goes_first() {
    let _sender = spawn_at(254, || {
        Message::new(1).send(*own::thread());
    });
    let irq = own::factory().create_irq().unwrap();
    irq.bind_thread(own::thread(), 0x77).unwrap();
    irq.trigger().unwrap();
    assert_eq!(wait().label, 0x77);
    assert_eq!(wait().outcome(), Ok(1));
}
