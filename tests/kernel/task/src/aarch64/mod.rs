//! What differs on aarch64.

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::Opcode;
use l4_test::{Message, own, refused};

/// Whether the kernel tells which mappings were read and written.
pub(crate) const HAS_ACCESS_FLAGS: bool = false;

/// There are none, and no request for them.
pub(crate) fn segments_and_ports() {
    let words = [Opcode::LdtSet.word(), 0, 0];
    let request = Message::new(label::TASK).words(&words);
    let outcome = request.call(*own::task()).outcome();
    assert_eq!(outcome, refused(ResultCode::ENOSYS));
}
