//! There are no I/O ports: nothing of them is ever mapped, and that is no error.

use l4_test::Message;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::ReceiveBuffer;

use crate::partner::receiver;

pub(crate) fn io_ports() {
    for ports in [Flexpage::io_ports(0x80, 0), Flexpage::io_ports(0, 16)] {
        let receiver = receiver([ReceiveBuffer::WINDOW_WORD, Flexpage::ALL_SPACES.raw()]);
        let reply = Message::new(3)
            .raw_item(8, ports.raw())
            .send(*receiver.thread());
        assert_eq!(reply.outcome(), Ok(3));
        let received = receiver.join();
        assert_eq!((received.outcome, received.words[0] & 0x30), (Ok(3), 0x20));
    }
}
