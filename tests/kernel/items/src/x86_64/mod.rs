//! I/O ports in messages. That ports can be used while a task has them is tested with `entry`.

use l4_test::abi::error::ResultCode;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::ReceiveBuffer;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::message::{accept, accept_nothing};
use l4_test::sys::{AnyObject, Object, Slot};
use l4_test::{Message, Outcome, own, refused};

use crate::partner::receiver;

/// First words of an item of one port, as the receiver sees them.
const MAPPED: u64 = 0x28;
const NOTHING: u64 = 0x2a;

pub(crate) fn io_ports() {
    a_port_has_one_owner();
    ports_keep_their_numbers();
    the_window_bounds_what_is_mapped();
    revoked_ports_cannot_be_passed_on();
}

/// Asks sigma0, or another gate to it.
fn ask(client: impl Object, ports: Flexpage) -> Outcome {
    let window = Flexpage::io_ports(0, Flexpage::WHOLE_IO_PORT_ORDER);
    accept(&[ReceiveBuffer::WINDOW_WORD, window.raw()]);
    let words = [ports.raw(), 0x1000];
    let reply = Message::new(label::IO_PAGE_FAULT)
        .words(&words)
        .call(client);
    accept_nothing();
    reply.outcome()
}

fn a_port_has_one_owner() {
    let ports = Flexpage::io_ports(0x84, 2);
    assert_eq!(ask(*own::pager(), ports), Ok(0));
    assert_eq!(ask(*own::pager(), ports), Ok(0));

    let slot = Slot::allocate().unwrap();
    accept(&[slot.buffer()]);
    let words = [label::SIGMA0 as u64];
    let made = Message::new(label::FACTORY)
        .words(&words)
        .call(*own::pager());
    assert_eq!(made.outcome(), Ok(0));
    let other = slot.filled::<AnyObject>();
    for taken in [
        ports,
        Flexpage::io_ports(0x86, 0),
        Flexpage::io_ports(0x80, 4),
    ] {
        assert_eq!(
            ask(**other, taken),
            refused(ResultCode::ENOMEM),
            "{taken:?}"
        );
    }
}

/// What a receiver with this window gets of these ports: the item's first word without its base and
/// order.
fn pass(ports: Flexpage, window: Flexpage) -> u64 {
    let receiver = receiver([ReceiveBuffer::WINDOW_WORD, window.raw()]);
    let reply = Message::new(0)
        .raw_item(8, ports.raw())
        .send(*receiver.thread());
    assert_eq!(reply.outcome(), Ok(0));
    receiver.join().words[0] & 0x3f
}

fn ports_keep_their_numbers() {
    let ports = Flexpage::io_ports(0x84, 2);
    assert_eq!(pass(ports, ports), MAPPED);
    let whole = Flexpage::io_ports(0, Flexpage::WHOLE_IO_PORT_ORDER);
    assert_eq!(pass(ports, whole), MAPPED);
    // Nobody has given us these.
    assert_eq!(pass(Flexpage::io_ports(0x8c, 2), whole), NOTHING);
}

fn the_window_bounds_what_is_mapped() {
    let whole = Flexpage::io_ports(0, Flexpage::WHOLE_IO_PORT_ORDER);
    assert_eq!(pass(whole, Flexpage::io_ports(0x85, 0)), MAPPED);
    assert_eq!(pass(whole, Flexpage::io_ports(0x8c, 2)), NOTHING);
    assert_eq!(
        pass(Flexpage::io_ports(0x84, 2), Flexpage::io_ports(0x88, 2)),
        NOTHING
    );
}

fn revoked_ports_cannot_be_passed_on() {
    let port = Flexpage::io_ports(0x87, 0);
    let whole = Flexpage::io_ports(0, Flexpage::WHOLE_IO_PORT_ORDER);
    assert_eq!(pass(port, whole), MAPPED);
    own::task()
        .unmap(port.with_rights(7), UnmapMask::ALL_SPACES)
        .unwrap();
    assert_eq!(pass(port, whole), NOTHING);
    assert_eq!(pass(Flexpage::io_ports(0x84, 0), whole), MAPPED);
}
