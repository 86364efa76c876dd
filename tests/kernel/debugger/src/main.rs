//! The debugger object (`abi/05`), in a kernel that has it.
#![no_std]
#![no_main]

use l4_test::abi::capability::slot;
use l4_test::abi::error::ResultCode;
use l4_test::abi::kip::{feature, has_feature};
use l4_test::abi::protocol::debugger::ObjectOpcode;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::CapabilityRights;
use l4_test::message::word;
use l4_test::sys::object::Debugger;
use l4_test::sys::{AnyObject, Cap};
use l4_test::{Message, kip, own, refused};

l4_test::suite![
    the_kernel_says_that_it_has_a_debugger,
    an_object_has_a_name_and_a_number,
    a_program_enters_the_debugger_and_goes_on,
];

fn debugger() -> Cap<AnyObject> {
    Cap::at(slot::DEBUGGER)
}

fn the_kernel_says_that_it_has_a_debugger() {
    assert!(has_feature(kip::page(), feature::DEBUGGER));
}

fn an_object_has_a_name_and_a_number() {
    Debugger::KERNEL
        .set_name(own::thread(), "a-named-thread")
        .unwrap();
    let number = Debugger::KERNEL.global_id(own::thread()).unwrap();
    let message = || Message::new(label::DEBUGGER).capability(own::thread(), CapabilityRights::RWS);
    let reply = message()
        .words(&[ObjectOpcode::NameOfId.word(), number])
        .call(*debugger());
    assert_eq!(reply.outcome(), Ok(0));
    assert_eq!(word(0).to_le_bytes(), *b"a-named-");
    let reply = message()
        .words(&[ObjectOpcode::NameOfId.word(), 1 << 40])
        .call(*debugger());
    assert_eq!(reply.outcome(), refused(ResultCode::ENOENT));
}

fn a_program_enters_the_debugger_and_goes_on() {
    let reply = Message::new(label::DEBUGGER).call(*debugger());
    assert_eq!(reply.outcome(), Ok(0));
}
