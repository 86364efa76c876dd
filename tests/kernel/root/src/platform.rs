//! Platform control. That it turns the machine off is tested by the end of every test of the kernel.

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::platform_control::Shutdown;
use l4_test::abi::rights::CapabilityRights;
use l4_test::{Message, Outcome, console, own, refused};

fn request(words: &[u64]) -> Outcome {
    Message::new(label::NONE)
        .words(words)
        .call(*own::platform())
        .outcome()
}

const INVALID: Outcome = refused(ResultCode::EINVAL);
const UNKNOWN: Outcome = refused(ResultCode::ENOSYS);

/// Whoever types the answers sees the question twice.
pub(crate) fn the_machine_can_start_anew() {
    let [anew] = console::ask("start the machine anew?", [0]);
    if anew != 0 {
        let reboot = own::platform().shutdown(Shutdown::Reboot);
        panic!("it went on: {reboot:?}");
    }
}

pub(crate) fn suspending_is_not_possible() {
    assert_eq!(request(&[0]), refused(ResultCode::EBUSY));
    assert_eq!(request(&[0, 1]), refused(ResultCode::EBUSY));
}

pub(crate) fn shutting_down_needs_two_words() {
    assert_eq!(request(&[1]), INVALID);
    assert_eq!(request(&[1, 0, 0]), INVALID);
    assert_eq!(request(&[]), refused(ResultCode::EMSGTOOSHORT));
}

pub(crate) fn unknown_ways_to_shut_down_are_refused() {
    for way in [2, 0x100, u64::MAX] {
        assert_eq!(request(&[1, way]), UNKNOWN, "{way:#x}");
    }
}

pub(crate) fn a_cpu_that_is_there_can_be_named() {
    for allow in [0, 1] {
        assert_eq!(request(&[2, 0, allow]), Ok(0));
    }
    assert_eq!(request(&[2, 0]), INVALID);
    for cpu in [64, 1 << 32, u64::MAX] {
        assert_eq!(request(&[2, cpu, 1]), INVALID, "{cpu:#x}");
    }
}

pub(crate) fn unknown_operations_are_refused() {
    for opcode in [3, 4, 0x10, 0x11, u64::MAX] {
        assert_eq!(request(&[opcode, 0]), UNKNOWN, "{opcode:#x}");
    }
}

pub(crate) fn no_right_is_needed() {
    let weak = own::copy(own::platform(), CapabilityRights::READ);
    let reply = Message::new(label::NONE).words(&[0]).call(**weak);
    assert_eq!(reply.outcome(), refused(ResultCode::EBUSY));
}
