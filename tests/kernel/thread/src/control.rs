//! Control: pager and exception handler.

use l4_test::abi::error::ResultCode;
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::thread::{ControlFlags, NO_HANDLER};
use l4_test::abi::rights::CapabilityRights;
use l4_test::message::word;
use l4_test::sys::object::{Control, Thread};
use l4_test::sys::{Cap, Object, Selector};
use l4_test::{Message, own, refused, spawn};

/// Pager and exception handler of `thread`.
pub(crate) fn handlers(thread: Cap<Thread>) -> (u64, u64) {
    let reply = Message::new(label::THREAD).words(&[0; 6]).call(*thread);
    assert_eq!((reply.outcome(), reply.tag.words()), (Ok(0), 3));
    (word(1), word(2))
}

pub(crate) fn a_new_thread_has_no_handlers() {
    let thread = own::factory().create_thread().unwrap();
    assert_eq!(handlers(thread.as_cap()), (NO_HANDLER, NO_HANDLER));
}

pub(crate) fn handlers_read_back() {
    let thread = own::factory().create_thread().unwrap();
    let pager = Control {
        pager: Some(Selector::new(0x123)),
        ..Control::default()
    };
    thread.control(pager).unwrap();
    assert_eq!(handlers(thread.as_cap()), (0x12_3000, NO_HANDLER));
    let handler = Control {
        exception_handler: Some(Selector::new(0x45)),
        ..Control::default()
    };
    thread.control(handler).unwrap();
    assert_eq!(handlers(thread.as_cap()), (0x12_3000, 0x4_5000));
}

pub(crate) fn the_root_task_has_sigma0_as_pager() {
    assert_eq!(handlers(own::thread()), (0x4000, 0));
}

pub(crate) fn the_special_right_is_needed() {
    let thread = own::factory().create_thread().unwrap();
    let weak = own::copy(thread.as_cap(), CapabilityRights::RW);
    assert_eq!(weak.control(Control::default()), refused(ResultCode::EPERM));
}

pub(crate) fn short_requests_are_refused() {
    let thread = own::factory().create_thread().unwrap();
    let request = |words| Message::new(label::THREAD).words(words).call(**thread);
    let empty = request(&[]);
    assert_eq!(empty.outcome(), refused(ResultCode::EMSGTOOSHORT));
    let five = request(&[0; 5]);
    assert_eq!(five.outcome(), refused(ResultCode::EINVAL));
}

pub(crate) fn unknown_operations_are_refused() {
    let thread = own::factory().create_thread().unwrap();
    for opcode in [8, 0xa, 0xf, 0x14, 0x7fff, 0xffff] {
        let reply = Message::new(label::THREAD)
            .words(&[opcode, 0, 0, 0, 0, 0])
            .call(**thread);
        assert_eq!(reply.outcome(), refused(ResultCode::ENOSYS), "{opcode:#x}");
    }
}

pub(crate) fn only_control_needs_a_right() {
    let worker = spawn(|| ());
    let weak = own::copy(worker.thread(), CapabilityRights::READ);
    assert_eq!(weak.control(Control::default()), refused(ResultCode::EPERM));
    assert_eq!(weak.switch_to(), Ok(()));
    assert!(weak.time().is_ok());
    let irq = own::factory().create_irq().unwrap();
    assert_eq!(weak.register_deletion_irq(irq.as_cap()), Ok(()));
    let no_rule = Message::new(label::THREAD).words(&[6]).call(**weak);
    assert_eq!(no_rule.outcome(), Ok(0));
}

pub(crate) fn flags_above_the_operation_do_not_make_another() {
    let thread = own::factory().create_thread().unwrap();
    let reply = Message::new(label::THREAD)
        .words(&[0x7fff_0003])
        .call(**thread);
    assert_eq!((reply.outcome(), word(0)), (Ok(0), 0));
}

pub(crate) fn a_request_without_any_phase_is_performed() {
    let thread = own::factory().create_thread().unwrap();
    let set_pager = ControlFlags::SET_PAGER.bits();
    let words = [set_pager, 0x7_7000, 0, 0, 0, 0];
    let request = Message::new(label::THREAD).words(&words);
    let reply = request.operate(thread.selector(), Operation::empty());
    assert_eq!(reply.tag, request.tag());
    assert_eq!(handlers(thread.as_cap()), (0x7_7000, NO_HANDLER));
}

pub(crate) fn a_thread_can_name_itself() {
    let itself: Cap<Thread> = Cap::new(Selector::INVALID);
    assert_eq!(handlers(itself), handlers(own::thread()));
    assert!(itself.time().is_ok());
}
