//! Control messages: bind and query.

use l4_test::abi::error::{IpcError, ResultCode};
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{receive, wait, word};
use l4_test::sys::object::IpcGate;
use l4_test::sys::{Cap, Object, OwnedCap};
use l4_test::{Message, failed, own, refused, spawn};

const BIND: u64 = 0x10;
const GET_INFO: u64 = 0x11;

pub(crate) fn gate() -> OwnedCap<IpcGate> {
    own::factory().create_unbound_gate().unwrap()
}

pub(crate) fn a_bound_gate_tells_its_label() {
    let gate = gate();
    gate.bind_thread(own::thread(), 0xffff_ffff_ffff_fff0)
        .unwrap();
    assert_eq!(gate.label(), Ok(0xffff_ffff_ffff_fff0));
}

pub(crate) fn labels_with_low_bits_are_refused() {
    let gate = gate();
    for label in [1, 2, 3, 0x1233] {
        let refusal = refused(ResultCode::EINVAL);
        assert_eq!(gate.bind_thread(own::thread(), label), refusal);
    }
    let made = own::factory().create_gate(own::thread(), 1);
    assert_eq!(made.err(), Some(ResultCode::EINVAL.into()));
}

pub(crate) fn binding_needs_the_special_right_on_both() {
    let gate = gate();
    let server = CapabilityRights::RW | CapabilityRights::IPC_GATE_SERVER;
    let weak = own::copy(gate.as_cap(), server);
    let refusal = refused(ResultCode::EPERM);
    assert_eq!(weak.bind_thread(own::thread(), 0), refusal);

    let thread = own::copy(own::thread(), CapabilityRights::RW);
    assert_eq!(gate.bind_thread(thread.as_cap(), 0), refusal);
    assert_eq!(gate.bind_thread(own::thread(), 0), Ok(()));
}

pub(crate) fn binding_needs_a_thread() {
    let gate = gate();
    let bind = Message::new(label::KERNEL_OBJECT).words(&[BIND, 0]);
    let wrong: l4_test::Outcome = refused(ResultCode::EINVAL);
    let rights = CapabilityRights::RWS;
    assert_eq!(bind.call(**gate).outcome(), wrong);
    assert_eq!(bind.raw_item(0, 0).call(**gate).outcome(), wrong);
    assert_eq!(
        bind.capability(own::task(), rights).call(**gate).outcome(),
        wrong
    );
    assert_eq!(
        bind.capability(Cap::<IpcGate>::at(0x800), rights)
            .call(**gate)
            .outcome(),
        wrong
    );
    // A flexpage of memory is no capability.
    let memory = bind.raw_item(8, 0x1317).call(**gate);
    assert_eq!(memory.outcome(), failed(IpcError::SEND_OVERFLOW));
    let short = Message::new(label::KERNEL_OBJECT).words(&[BIND]);
    assert_eq!(
        short.call(**gate).outcome(),
        refused(ResultCode::EMSGTOOSHORT)
    );
}

pub(crate) fn a_gate_can_be_bound_again() {
    let gate = gate();
    let [first, second] = [(); 2].map(|()| spawn(|| wait().label));
    gate.bind_thread(first.thread(), 0x10).unwrap();
    Message::new(0).send(**gate);
    gate.bind_thread(second.thread(), 0x20).unwrap();
    Message::new(0).send(**gate);
    assert_eq!((first.join() & !3, second.join() & !3), (0x10, 0x20));
}

pub(crate) fn who_is_queued_stays_with_the_old_thread() {
    let gate = gate();
    gate.bind_thread(own::thread(), 0x10).unwrap();
    let through = gate.as_cap();
    let sender = spawn(move || Message::new(1).send(*through).outcome());
    let other = spawn(wait);
    gate.bind_thread(other.thread(), 0x20).unwrap();
    let reply = wait();
    assert_eq!((reply.outcome(), reply.label & !3), (Ok(1), 0x10));
    assert_eq!(sender.join(), Ok(1));
    assert!(!other.has_ended());
}

pub(crate) fn without_server_right_control_is_a_message() {
    let gate = gate();
    let client = own::copy(gate.as_cap(), CapabilityRights::RWS);
    let server = spawn(|| {
        let reply = wait();
        (reply.tag.label(), word(0))
    });
    gate.bind_thread(server.thread(), 0x10).unwrap();
    let message = Message::new(label::KERNEL_OBJECT).words(&[GET_INFO]);
    message.operate(client.selector(), Operation::SEND);
    assert_eq!(server.join(), (label::KERNEL_OBJECT, GET_INFO));
}

pub(crate) fn without_send_phase_control_is_a_wait() {
    let gate = gate();
    let partner = spawn(|| {
        Message::new(6).send(*own::thread());
    });
    gate.bind_thread(partner.thread(), 0x10).unwrap();
    let reply = receive(**gate, Timeout::from_micros(50_000));
    assert_eq!(reply.outcome(), Ok(6));
}

pub(crate) fn unknown_operations_are_refused() {
    let gate = gate();
    for opcode in [1, 2, 0xf, 0x12, 0x1_0011, u64::MAX] {
        let message = Message::new(label::KERNEL_OBJECT);
        let reply = message.words(&[opcode, 0]).call(**gate);
        assert_eq!(reply.outcome(), refused(ResultCode::ENOSYS), "{opcode:#x}");
    }
    let empty = Message::new(label::KERNEL_OBJECT).call(**gate);
    assert_eq!(empty.outcome(), refused(ResultCode::EINVAL));
}

pub(crate) fn a_gate_speaks_no_other_kernel_protocol() {
    let gate = gate();
    for label in [label::TASK, label::THREAD, label::FACTORY, label::META] {
        let server = spawn(|| {
            let label = wait().tag.label();
            Message::new(1).reply();
            label
        });
        gate.bind_thread(server.thread(), 0).unwrap();
        let reply = Message::new(label).words(&[0]).call(**gate);
        assert_eq!(reply.outcome(), Ok(1));
        assert_eq!(server.join(), label);
    }
}

pub(crate) fn asking_needs_no_right() {
    let gate = gate();
    gate.bind_thread(own::thread(), 0x40).unwrap();
    let server = CapabilityRights::READ | CapabilityRights::IPC_GATE_SERVER;
    let weak = own::copy(gate.as_cap(), server);
    assert_eq!(weak.label(), Ok(0x40));
    assert_eq!(weak.decrease_references(0), Ok(2));
    let denied = weak.bind_thread(own::thread(), 0x40);
    assert_eq!(denied, refused(ResultCode::EPERM));
}

pub(crate) fn what_is_wrong_first_is_told() {
    let gate = gate();
    let server = CapabilityRights::RW | CapabilityRights::IPC_GATE_SERVER;
    let weak = own::copy(gate.as_cap(), server);
    let short = Message::new(label::KERNEL_OBJECT).words(&[BIND]);
    let told = |message: Message<'_>, gate: Cap<IpcGate>| message.call(*gate).outcome();
    // The right, then the length, the label, the item, the thread's right.
    assert_eq!(told(short, weak.as_cap()), refused(ResultCode::EPERM));
    assert_eq!(
        told(short, gate.as_cap()),
        refused(ResultCode::EMSGTOOSHORT)
    );
    let odd = Message::new(label::KERNEL_OBJECT).words(&[BIND, 1]);
    let memory = odd.raw_item(8, 0x1317);
    assert_eq!(told(memory, gate.as_cap()), refused(ResultCode::EINVAL));
    let thread = own::copy(own::thread(), CapabilityRights::RW);
    let bind = Message::new(label::KERNEL_OBJECT).words(&[BIND, 0]);
    let weak_thread = bind.capability(thread.as_cap(), CapabilityRights::RWS);
    assert_eq!(told(weak_thread, gate.as_cap()), refused(ResultCode::EPERM));
}

pub(crate) fn a_gate_of_a_dead_thread_fails_until_it_is_bound_again() {
    let gate = gate();
    let thread = spawn(|| ());
    gate.bind_thread(thread.thread(), 0x10).unwrap();
    drop(thread);
    let gone = failed(IpcError::NOT_EXISTENT);
    for timeout in [Timeout::ZERO, Timeout::NEVER] {
        let message = Message::new(0).send_timeout(timeout);
        assert_eq!(message.send(**gate).outcome(), gone);
    }
    let server = spawn(|| wait().label & !3);
    gate.bind_thread(server.thread(), 0x20).unwrap();
    assert!(Message::new(0).send(**gate).came());
    assert_eq!(server.join(), 0x20);
}

pub(crate) fn an_argument_is_only_looked_up() {
    let gate = gate();
    let index = own::thread().selector().raw();
    // Attributes, rights and order do not matter.
    for (control, flexpage) in [
        (8, index | 0x30),
        (0xf8, index | 0x1f7),
        (0x1008, index | 0x3b),
    ] {
        let reply = Message::new(label::KERNEL_OBJECT)
            .words(&[BIND, 0x10])
            .raw_item(control, flexpage)
            .call(**gate);
        assert_eq!(reply.outcome(), Ok(0), "{control:#x} {flexpage:#x}");
    }
}
