//! The interrupt controller's pins.

use l4_test::abi::error::{IpcError, ResultCode};
use l4_test::abi::protocol::icu::{FEATURE_MSI, Mode, PIN_MSI};
use l4_test::abi::protocol::label;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::TimeoutPair;
use l4_test::{Message, Outcome, failed, own, refused};

use crate::arch::{HAS_LOW_PINS, PIN};
use crate::trigger::irq;

const INVALID: Result<(), l4_test::sys::Error> = refused(ResultCode::EINVAL);

pub(crate) fn it_tells_what_it_has() {
    let info = own::icu().info().unwrap();
    assert!(info.pins > PIN, "{info:?}");
    assert_eq!(info.features & FEATURE_MSI != 0, info.msis > 0);
}

pub(crate) fn pins_that_do_not_exist_are_refused() {
    let irq = irq();
    let pins = own::icu().info().unwrap().pins;
    for pin in [pins, 0x10_0000, 0xffff_ffff, u64::MAX] {
        assert_eq!(own::icu().bind(pin, irq.as_cap()), INVALID, "{pin:#x}");
    }
}

pub(crate) fn a_pin_has_one_interrupt() {
    let [first, second] = [irq(), irq()];
    assert_eq!(own::icu().bind(PIN, first.as_cap()), Ok(()));
    assert_eq!(own::icu().bind(PIN, first.as_cap()), Ok(()));
    assert_eq!(own::icu().bind(PIN, second.as_cap()), INVALID);
    drop(first);
    assert_eq!(own::icu().bind(PIN, second.as_cap()), Ok(()));
}

pub(crate) fn an_interrupt_has_one_pin() {
    let [first, second] = [irq(), irq()];
    own::icu().bind(PIN, first.as_cap()).unwrap();
    own::icu().bind(PIN + 1, first.as_cap()).unwrap();
    assert_eq!(own::icu().bind(PIN, second.as_cap()), Ok(()));
    // It leaves its pin even if it does not get the other.
    assert_eq!(own::icu().bind(PIN, first.as_cap()), INVALID);
    let third = irq();
    assert_eq!(own::icu().bind(PIN + 1, third.as_cap()), Ok(()));
}

pub(crate) fn unbinding_frees_the_pin() {
    let [first, second] = [irq(), irq()];
    own::icu().bind(PIN, first.as_cap()).unwrap();
    assert_eq!(own::icu().unbind(PIN, first.as_cap()), Ok(()));
    assert_eq!(own::icu().unbind(PIN, first.as_cap()), Ok(()));
    assert_eq!(own::icu().bind(PIN, second.as_cap()), Ok(()));
}

pub(crate) fn binding_needs_the_write_right() {
    let irq = irq();
    let weak = own::copy(irq.as_cap(), CapabilityRights::RS);
    assert_eq!(
        own::icu().bind(PIN, weak.as_cap()),
        refused(ResultCode::EPERM)
    );
}

fn request(words: &[u64]) -> Outcome {
    Message::new(label::IRQ)
        .words(words)
        .call(*own::icu())
        .outcome()
}

pub(crate) fn short_requests_are_refused() {
    let short: Outcome = refused(ResultCode::EMSGTOOSHORT);
    // Too few words; enough words, but no interrupt with them.
    for words in [&[0][..], &[1], &[3], &[6], &[0, PIN], &[1, PIN]] {
        assert_eq!(request(words), short, "{words:?}");
    }
}

pub(crate) fn unknown_requests_are_refused() {
    assert_eq!(request(&[7]), refused(ResultCode::ENOSYS));
    for label in [label::META, label::TASK, label::FACTORY] {
        let reply = Message::new(label).words(&[0]).call(*own::icu());
        assert_eq!(reply.outcome(), refused(ResultCode::EBADPROTO), "{label}");
    }
}

pub(crate) fn a_message_has_one_interrupt() {
    let [first, second] = [irq(), irq()];
    if own::icu().info().unwrap().msis == 0 {
        assert_eq!(own::icu().bind(PIN_MSI, first.as_cap()), INVALID);
        return;
    }
    own::icu().bind(PIN_MSI, first.as_cap()).unwrap();
    assert_eq!(own::icu().bind(PIN_MSI, second.as_cap()), INVALID);
    own::icu().unbind(PIN_MSI, first.as_cap()).unwrap();
    own::icu().bind(PIN_MSI, second.as_cap()).unwrap();
    // It has no mode.
    own::icu().set_mode(PIN_MSI, Mode::RISING_EDGE).unwrap();
}

pub(crate) fn an_msi_beyond_the_last_is_out_of_range() {
    let info = own::icu().info().unwrap();
    let last = own::icu().bind(info.msis | PIN_MSI, irq().as_cap());
    assert_eq!(last, INVALID);
    let msi = own::icu().msi_info(info.msis | PIN_MSI, 0);
    let code = if info.msis > 0 {
        ResultCode::ERANGE
    } else {
        ResultCode::ENOSYS
    };
    assert_eq!(msi, refused(code));
}

pub(crate) fn masking_has_no_answer() {
    for opcode in [4, 5] {
        let words = [opcode, PIN];
        let request = Message::new(label::IRQ).words(&words);
        let reply = request
            .timeouts(TimeoutPair::RECEIVE_ZERO)
            .call(*own::icu());
        assert_eq!(reply.outcome(), failed(IpcError::RECEIVE_TIMEOUT));
    }
}

pub(crate) fn the_mode_of_a_pin_that_does_not_exist_is_refused() {
    let pins = own::icu().info().unwrap().pins;
    for pin in [pins, u64::MAX] {
        assert_eq!(own::icu().set_mode(pin, Mode::LEVEL_HIGH), INVALID);
    }
}

pub(crate) fn modes_that_the_controller_has_are_accepted() {
    for (mode, is_there) in [
        (Mode::LEVEL_HIGH, true),
        (Mode::RISING_EDGE, true),
        (Mode::LEVEL_LOW, HAS_LOW_PINS),
        (Mode::FALLING_EDGE, HAS_LOW_PINS),
        (Mode::BOTH_EDGES, false),
    ] {
        let expected = if is_there { Ok(()) } else { INVALID };
        assert_eq!(own::icu().set_mode(PIN, mode), expected, "{mode:?}");
    }
    own::icu().set_mode(PIN, Mode::LEVEL_HIGH).unwrap();
}

pub(crate) fn no_right_is_needed() {
    let weak = own::copy(own::icu(), CapabilityRights::READ);
    let irq = irq();
    assert_eq!(weak.info().map(|_| ()), Ok(()));
    assert_eq!(weak.bind(PIN, irq.as_cap()), Ok(()));
    assert_eq!(weak.unbind(PIN, irq.as_cap()), Ok(()));
}
