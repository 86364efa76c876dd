//! I/O ports: used only while the task has them.

use core::arch::global_asm;

use l4_abi::capability::slot;
use l4_abi::flexpage::Flexpage;
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::label;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::MemoryRights;
use l4_abi::timeout::TimeoutPair;
use l4_abi::utcb::BufferDescriptor;
use l4_sys::object::Task;
use l4_sys::{Cap, Selector, Utcb, ipc};

use crate::Code;
use crate::victim::Victim;

/// Takes diagnostic codes; nothing happens if they are written.
const PORT: Flexpage = Flexpage::io_ports(0x80, 0);
/// A receive buffer's first word.
const MAP_ITEM: u64 = 8;

global_asm!(
    ".pushsection .rodata.ports, \"a\", @progbits",
    ".balign 8",
    ".global entry_test_ports",
    "entry_test_ports:",
    // Where the first access and where the second one is refused.
    ".quad 1f, 1f",
    ".quad 1f, 2f",
    ".popsection",
    ".pushsection .text.cases, \"ax\", @progbits",
    "1: out 0x80, al",
    "2: out 0x81, al",
    "ud2",
    ".popsection",
);

unsafe extern "C" {
    #[link_name = "entry_test_ports"]
    safe static CODE: [Code; 2];
}

pub(super) fn ports_can_be_used_while_they_are_there(victim: &mut Victim) {
    let [none, one] = &CODE;
    refused_at(victim, none);
    receive_port();
    refused_at(victim, one);
    refused_at(victim, one);
    let task: Cap<Task> = Cap::at(slot::TASK);
    let port = PORT.with_rights(MemoryRights::RWX.bits());
    if let Err(error) = task.unmap(port, UnmapMask::ALL_SPACES) {
        panic!("the port cannot be revoked: {error}");
    }
    refused_at(victim, none);
    receive_port();
    refused_at(victim, one);
}

fn refused_at(victim: &mut Victim, code: &Code) {
    let frame = victim.fresh(code.start);
    let frame = victim.run(&frame);
    assert_eq!((frame.trap, frame.error, frame.rip), (13, 0, code.mark));
}

/// Asks sigma0.
fn receive_port() {
    let utcb = Utcb::current();
    utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
    utcb.set_buffer(0, MAP_ITEM);
    utcb.set_buffer(
        1,
        Flexpage::io_ports(0, Flexpage::WHOLE_IO_PORT_ORDER).raw(),
    );
    utcb.set_buffer(2, 0);
    utcb.set_messages(&[PORT.raw()]);
    let tag = MessageTag::words_only(label::IO_PAGE_FAULT, 1);
    match ipc::call(Selector::new(slot::PAGER), tag, TimeoutPair::NEVER) {
        Ok(answer) => assert_eq!((answer.label(), answer.items()), (0, 1)),
        Err(error) => panic!("sigma0 does not answer: {error}"),
    }
}
