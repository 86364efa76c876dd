//! The kernel's console (`abi/05` Vlog).
#![no_std]
#![no_main]

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::log::{InputFlags, LocalFlags, OutputFlags, WRITE_SIZE};
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::TimeoutPair;
use l4_test::message::{wait, word};
use l4_test::{Message, Outcome, own, refused};

l4_test::suite![
    attributes_are_as_documented_at_first,
    attributes_can_be_set,
    reading_needs_the_write_right,
    nothing_typed_is_nothing_read,
    what_is_typed_raises_the_interrupt_and_is_read,
    a_write_that_is_too_long_is_ignored,
    a_write_has_no_answer,
    it_has_one_pin,
    unknown_requests_are_refused,
];

fn request(words: &[u64]) -> Outcome {
    Message::new(label::LOG)
        .words(words)
        .call(*own::log())
        .outcome()
}

fn attributes() -> [u64; 3] {
    let reply = Message::new(label::LOG).words(&[3]).call(*own::log());
    assert_eq!((reply.outcome(), reply.tag.words()), (Ok(0), 4));
    assert_eq!(word(0), 3, "the first word is not written");
    [word(1), word(2), word(3)]
}

fn attributes_are_as_documented_at_first() {
    assert_eq!(attributes(), [0x100, 4, 8]);
}

fn attributes_can_be_set() {
    let [input, output, local] = attributes();
    own::log()
        .set_attributes(
            InputFlags::empty(),
            OutputFlags::empty(),
            LocalFlags::empty(),
        )
        .unwrap();
    // Newlines are always completed.
    assert_eq!(attributes(), [0, 4, 0]);
    assert_eq!(request(&[2, input, output, local]), Ok(0));
    assert_eq!(attributes(), [input, output, local]);
}

fn reading_needs_the_write_right() {
    let weak = own::copy(own::log(), CapabilityRights::RS);
    let read = weak.read(&mut [0; 8]);
    assert_eq!(read, refused(ResultCode::EPERM));
}

fn nothing_typed_is_nothing_read() {
    let reply = Message::new(label::LOG)
        .words(&[1 | 10 << 16])
        .call(*own::log());
    assert_eq!((reply.outcome(), reply.tag.words()), (Ok(0), 0));
    assert_eq!(word(0), 0x8000_0000);
}

fn what_is_typed_raises_the_interrupt_and_is_read() {
    let irq = own::factory().create_irq().unwrap();
    irq.bind_thread(own::thread(), 0x55).unwrap();
    own::log().icu().bind(0, irq.as_cap()).unwrap();
    irq.unmask().unwrap();
    own::log().write(b"now type\n").unwrap();
    let mut text = [0; 5];
    let mut count = 0;
    while count < text.len() {
        assert_eq!(wait().label, 0x55, "after {count} bytes");
        loop {
            let status = own::log().read(&mut text[count..]).unwrap();
            count += status.count;
            if status.exhausted || count == text.len() {
                break;
            }
        }
        irq.unmask().unwrap();
    }
    // What was typed is echoed, and a report begins a line.
    own::log().write(b"\n").unwrap();
    assert_eq!(&text, b"brio!");
    own::log().icu().unbind(0, irq.as_cap()).unwrap();
}

fn a_write_that_is_too_long_is_ignored() {
    for length in [WRITE_SIZE as u64 + 1, 1 << 32, u64::MAX] {
        let mut words = [0x4141_4141_4141_4141; 63];
        words[0] = 0;
        words[1] = length;
        let reply = Message::new(label::LOG).words(&words).send(*own::log());
        assert!(reply.came());
    }
}

fn a_write_has_no_answer() {
    let reply = Message::new(label::LOG)
        .words(&[0, 0])
        .timeouts(TimeoutPair::RECEIVE_ZERO)
        .call(*own::log());
    assert!(!reply.came());
}

fn it_has_one_pin() {
    let info = own::log().icu().info().unwrap();
    assert_eq!((info.features, info.pins, info.msis), (0, 1, 0));
    let irq = own::factory().create_irq().unwrap();
    let bound = own::log().icu().bind(1, irq.as_cap());
    assert_eq!(bound, refused(ResultCode::EINVAL));
}

fn unknown_requests_are_refused() {
    assert_eq!(request(&[4]), refused(ResultCode::ENOSYS));
    for label in [label::META, label::TASK, label::FACTORY, 0] {
        let reply = Message::new(label).words(&[0, 0]).call(*own::log());
        assert_eq!(reply.outcome(), refused(ResultCode::EBADPROTO), "{label}");
    }
}
