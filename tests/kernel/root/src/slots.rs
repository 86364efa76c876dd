//! The first slots.

use l4_test::abi::capability::slot;
use l4_test::abi::error::{IpcError, ResultCode};
use l4_test::abi::protocol::label;
use l4_test::abi::rights::CapabilityRights;
use l4_test::sys::{AnyObject, Cap};
use l4_test::{Message, failed, own, refused};

fn at(index: u64) -> Cap<AnyObject> {
    Cap::at(index)
}

pub(crate) fn the_first_slots_are_filled() {
    let filled = [
        slot::TASK,
        slot::FACTORY,
        slot::THREAD,
        slot::PAGER,
        slot::LOG,
        slot::ICU,
        slot::SCHEDULER,
    ];
    for index in 0..=slot::SCHEDULER {
        let expected = filled.contains(&index);
        assert_eq!(own::task().is_valid(at(index)), Ok(expected), "{index}");
    }
}

pub(crate) fn what_the_machine_has_not_does_not_exist() {
    for index in [0, slot::IOMMU, 9, slot::SMC] {
        let reply = Message::new(label::IOMMU).words(&[0]).call(*at(index));
        assert_eq!(reply.outcome(), failed(IpcError::NOT_EXISTENT), "{index}");
    }
}

pub(crate) fn all_rights_are_there() {
    // W and S show in the comparison with a copy that was given both.
    for index in (1..=slot::SCHEDULER).filter(|&index| index != slot::PAGER) {
        let copy = own::copy(at(index), CapabilityRights::RWS);
        let equal = own::task().is_equal(at(index), copy.as_cap());
        assert_eq!(equal, Ok(true), "{index}");
    }
}

pub(crate) fn the_gate_to_sigma0_cannot_be_taken_over() {
    // Without the server right a control message is one for sigma0, which does not know it.
    for words in [&[0x11][..], &[0x10, 0], &[0, 1]] {
        let request = Message::new(label::KERNEL_OBJECT).words(words);
        let reply = request.call(*own::pager());
        assert_eq!(reply.outcome(), refused(ResultCode::EBADPROTO), "{words:?}");
    }
}
