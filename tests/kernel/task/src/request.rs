//! Requests that a task refuses.

use l4_test::abi::error::ResultCode;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::memory::{PAGE_ORDER, UNUSED};
use l4_test::sys::{Cap, Object};
use l4_test::{Message, own, refused};

pub(crate) fn unknown_protocols_are_refused() {
    for label in [0, label::IRQ, label::META, label::THREAD, label::FACTORY] {
        let reply = Message::new(label).words(&[0, 0, 0]).call(*own::task());
        assert_eq!(reply.outcome(), refused(ResultCode::EBADPROTO), "{label}");
    }
}

pub(crate) fn unknown_operations_are_refused() {
    for opcode in [4, 0x10, 0x13, 0x1_0000, u64::MAX] {
        let reply = Message::new(label::TASK)
            .words(&[opcode])
            .call(*own::task());
        assert_eq!(reply.outcome(), refused(ResultCode::ENOSYS), "{opcode:#x}");
    }
}

pub(crate) fn every_operation_is_a_request() {
    let reply = Message::new(0).operate(own::task().selector(), Operation::RECEIVE);
    assert_eq!(reply.outcome(), refused(ResultCode::EBADPROTO));
    let empty: Cap<l4_test::sys::AnyObject> = Cap::at(0x800);
    let words = [2, empty.selector().raw()];
    let reply = Message::new(label::TASK)
        .words(&words)
        .operate(own::task().selector(), Operation::RECEIVE);
    assert_eq!(reply.outcome(), Ok(0));
}

pub(crate) fn only_mapping_needs_a_right() {
    let weak = own::copy(own::task(), CapabilityRights::READ);
    assert_eq!(weak.is_valid(own::thread()), Ok(true));
    let nothing = Flexpage::memory(UNUSED, PAGE_ORDER, MemoryRights::RWX);
    assert!(weak.unmap(nothing, UnmapMask::ALL_SPACES).is_ok());
    let added = Message::new(label::TASK).words(&[3]).call(**weak);
    assert_eq!(added.outcome(), Ok(0));
    let control = ItemControl::map(UNUSED, ItemFlags::empty());
    let mapped = weak.map(own::task(), control, nothing);
    assert_eq!(mapped, refused(ResultCode::EPERM));
}
