//! Many threads that wait.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ReceiveBuffer};
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::operation::{Destination, Operation};
use l4_test::abi::protocol::factory::ObjectType;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::semaphore::Opcode;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::protocol::thread::SenderRule;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::{Timeout, TimeoutPair};
use l4_test::message::{accept, accept_nothing, receive, wait};
use l4_test::sys::object::{Irq, Thread};
use l4_test::sys::{AnyObject, Cap, Selector, Slot, ipc};
use l4_test::{Message, kip, own, spawn_at, suite};

use crate::crowd::{Crowd, DEADLINE, PARTNER, Plan, SIZE, THREADS, ticker};

/// What a crowd does that sends to its partner.
fn send() -> Plan {
    Plan::new(Destination::new(Selector::new(PARTNER), Operation::SEND))
}

pub(crate) fn a_gate_is_bound_for_which_many_wait() {
    let gate = own::factory().create_unbound_gate().unwrap();
    let receiver = spawn_at(1, ipc_wait);
    let crowd = Crowd::new();
    crowd.give(gate.as_cap(), PARTNER);
    crowd.start(send());
    let _ticker = ticker();
    gate.bind_thread(receiver.thread(), 0).unwrap();
    drop(receiver);
    crowd.task.delete();
}

fn ipc_wait() {
    ipc::sleep_forever()
}

pub(crate) fn a_gate_goes_for_which_many_wait() {
    let gate = own::factory().create_unbound_gate().unwrap();
    let crowd = Crowd::new();
    crowd.give(gate.as_cap(), PARTNER);
    crowd.start(send());
    let _ticker = ticker();
    gate.delete();
    crowd.task.delete();
}

pub(crate) fn a_semaphore_goes_for_which_many_wait() {
    let semaphore = own::factory().create_semaphore().unwrap();
    let crowd = Crowd::new();
    crowd.give(semaphore.as_cap(), PARTNER);
    let plan = Plan::new(Destination::new(Selector::new(PARTNER), Operation::CALL));
    // The first message word of a new UTCB is the opcode.
    const { assert!(Opcode::Down as u64 == 0) };
    let tag = MessageTag::words_only(label::SEMAPHORE, 1);
    crowd.start(Plan {
        tag,
        mixed: true,
        ..plan
    });
    let _ticker = ticker();
    semaphore.delete();
    crowd.task.delete();
}

pub(crate) fn a_receiver_goes_for_whom_many_wait() {
    let receiver = spawn_at(1, ipc_wait);
    let crowd = Crowd::new();
    crowd.give(receiver.thread(), PARTNER);
    let _ticker = ticker();
    crowd.start(Plan {
        mixed: true,
        ..send()
    });
    drop(receiver);
    crowd.task.delete();
}

pub(crate) fn labels_of_many_senders_change() {
    let crowd = Crowd::new();
    let gate = own::factory().create_gate(own::thread(), 0x10).unwrap();
    crowd.give(gate.as_cap(), PARTNER);
    crowd.start(send());
    let _ticker = ticker();
    let rule = SenderRule {
        match_mask: !3,
        match_value: 0x10,
        clear: !3,
        add: 0x20,
    };
    own::thread().modify_senders(rule).unwrap();
    for _ in 0..SIZE {
        assert_eq!(wait().label & !3, 0x20);
    }
    crowd.task.delete();
}

pub(crate) fn one_of_many_senders_is_awaited() {
    let crowd = Crowd::new();
    crowd.give(own::thread(), PARTNER);
    crowd.start(send());
    let _ticker = ticker();
    // The one that came last.
    let last = THREADS + SIZE - 1;
    let selector = own::task();
    let slot = Slot::allocate().unwrap();
    selector
        .map(
            crowd.task.as_cap(),
            ItemControl::from_raw(slot.selector().raw() | 8),
            Flexpage::object(last, CapabilityRights::RWSD),
        )
        .unwrap();
    let last = slot.filled::<Thread>();
    assert!(receive(*last.as_cap(), Timeout::ZERO).came());
    assert!(!receive(*last.as_cap(), Timeout::ZERO).came());
    crowd.task.delete();
}

pub(crate) fn one_of_many_interrupts_is_awaited() {
    const IRQS: u64 = 0x4000;
    for index in IRQS..IRQS + SIZE {
        accept(&[ReceiveBuffer::slot_word(index, false)]);
        let kind = ObjectType::IrqSender.word();
        let made = Message::new(label::FACTORY)
            .words(&[kind])
            .call(*own::factory());
        assert_eq!(made.outcome(), Ok(0));
        let irq = Cap::<Irq>::at(index);
        irq.bind_thread(own::thread(), index << 2).unwrap();
        irq.trigger().unwrap();
    }
    accept_nothing();
    let _ticker = ticker();
    let last = Cap::<AnyObject>::at(IRQS + SIZE - 1);
    assert_eq!(receive(*last, Timeout::ZERO).label, (IRQS + SIZE - 1) << 2);
    assert!(!receive(*last, Timeout::ZERO).came());
    let all = Flexpage::objects(IRQS, 14, CapabilityRights::RWSD);
    own::task().unmap(all, UnmapMask::ALL_SPACES).unwrap();
}

pub(crate) fn many_callers_lose_their_server() {
    let crowd = Crowd::new();
    let server = spawn_at(suite::PRIORITY + 2, || {
        for index in 0.. {
            Message::new(0).operate(Selector::reply(index * 20), Operation::WAIT);
        }
    });
    crowd.give(server.thread(), PARTNER);
    crowd.start(Plan::new(Destination::new(
        Selector::new(PARTNER),
        Operation::CALL,
    )));
    let _ticker = ticker();
    drop(server);
    crowd.task.delete();
}

pub(crate) fn many_waits_end_at_once() {
    let crowd = Crowd::new();
    let deadline = kip::micros() + 3_000_000;
    let plan = Plan::new(Destination::new(Selector::INVALID, Operation::RECEIVE));
    crowd.start(Plan {
        timeouts: TimeoutPair::new(Timeout::NEVER, Timeout::absolute(DEADLINE)),
        deadline,
        ..plan
    });
    assert!(kip::micros() < deadline, "the machine is too slow");
    let _ticker = ticker();
    while kip::micros() < deadline + 1000 {
        ipc::sleep(core::time::Duration::from_micros(500));
    }
    crowd.task.delete();
}
