//! Messages that enter a vCPU while it is in its user task.

use l4_test::abi::error::IpcError;
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::timeout::Timeout;
use l4_test::abi::vcpu::StickyFlags;
use l4_test::message::word;
use l4_test::suite::PRIORITY;
use l4_test::sys::object::{Irq, Thread};
use l4_test::sys::vcpu::Vcpu;
use l4_test::sys::{Cap, OwnedCap, ipc};
use l4_test::{Message, Worker, failed, own, spawn, spawn_at};

use crate::arch;
use crate::guest::{DATA, Entry, Guest, kernel_user_page, settle};

/// What a vCPU found when a message had entered.
struct Arrived {
    entry: Entry,
    tag: MessageTag,
    label: u64,
    words: [u64; 3],
    sticky: StickyFlags,
}

impl Arrived {
    fn at(vcpu: Vcpu) -> Self {
        let message = vcpu.message();
        Self {
            entry: Entry::of(vcpu),
            tag: message.tag,
            label: message.label,
            words: [word(0), word(1), word(2)],
            sticky: vcpu.sticky_flags(),
        }
    }

    fn check(&self) {
        assert!(arch::is_message(&self.entry.registers), "{:?}", self.entry);
        self.entry.check_from_user();
        assert_eq!(self.sticky, StickyFlags::empty());
    }
}

/// A vCPU that waits in its user task, less urgent than the runner, until `entered` has dealt with
/// what entered.
fn waiting<R: 'static>(entered: impl FnOnce(Vcpu) -> R + 'static) -> Worker<R> {
    let guest = Guest::new();
    let page = guest.page;
    let worker = spawn_at(PRIORITY - 1, move || {
        let vcpu = guest.vcpu(arch::spin, DATA);
        vcpu.run(&[]).unwrap();
        entered(vcpu)
    });
    Guest::await_sign(page);
    worker
}

/// An interrupt for `thread`.
pub(crate) fn irq(thread: Cap<Thread>, label: u64) -> OwnedCap<Irq> {
    let irq = own::factory().create_irq().unwrap();
    irq.bind_thread(thread, label).unwrap();
    irq
}

pub(crate) fn an_interrupt_enters() {
    let worker = waiting(Arrived::at);
    let irq = irq(worker.thread(), 0x1230);
    irq.trigger().unwrap();
    let arrived = worker.join();
    arrived.check();
    assert_eq!((arrived.tag, arrived.label), (MessageTag::EMPTY, 0x1230));
}

pub(crate) fn a_call_enters_and_can_be_answered_once() {
    let worker = waiting(|vcpu| {
        let arrived = Arrived::at(vcpu);
        let first = Message::new(7).words(&[42]).reply();
        let second = Message::new(8).reply();
        (arrived, first.outcome(), second.outcome())
    });
    let reply = Message::new(0x55)
        .words(&[1, 2, 3])
        .send_label(0x1234)
        .call(*worker.thread());
    assert_eq!((reply.outcome(), word(0)), (Ok(7), 42));
    let (arrived, first, second) = worker.join();
    arrived.check();
    assert_eq!(arrived.tag, MessageTag::words_only(0x55, 3));
    assert_eq!((arrived.label, arrived.words), (0x1234, [1, 2, 3]));
    assert!(first.is_ok());
    assert_eq!(second, failed(IpcError::NOT_EXISTENT));
}

pub(crate) fn nobody_waits_for_an_answer_to_a_send() {
    let worker = waiting(|vcpu| {
        let arrived = Arrived::at(vcpu);
        (arrived, Message::new(0).reply().outcome())
    });
    let reply = Message::new(0x44).words(&[9]).send(*worker.thread());
    assert!(reply.came());
    let (arrived, answer) = worker.join();
    arrived.check();
    assert_eq!(arrived.tag, MessageTag::words_only(0x44, 1));
    assert_eq!(answer, failed(IpcError::NOT_EXISTENT));
}

pub(crate) fn a_gate_adds_its_label() {
    let worker = waiting(Arrived::at);
    let gate = own::factory().create_gate(worker.thread(), 0x770).unwrap();
    let reply = Message::new(5).send(**gate);
    assert!(reply.came());
    let arrived = worker.join();
    arrived.check();
    assert_eq!(arrived.label & !3, 0x770);
}

pub(crate) fn further_messages_wait_and_are_announced() {
    let worker = waiting(|vcpu| {
        let first = Arrived::at(vcpu);
        let announced = vcpu.sticky_flags();
        let second = receive_any();
        let still = vcpu.sticky_flags();
        let third = receive_any();
        (first, announced, second, still, third, vcpu.sticky_flags())
    });
    let irqs = [1, 2, 3].map(|number| irq(worker.thread(), number << 4));
    for irq in &irqs {
        irq.trigger().unwrap();
    }
    let (first, announced, second, still, third, after) = worker.join();
    assert_eq!((first.label, second, third), (0x10, 0x20, 0x30));
    assert_eq!(announced, StickyFlags::IRQ_PENDING);
    assert_eq!(still, StickyFlags::IRQ_PENDING);
    assert_eq!(after, StickyFlags::empty());
}

/// The label of a message that waits.
pub(crate) fn receive_any() -> u64 {
    let reply = l4_test::message::wait_for(Timeout::ZERO);
    assert!(reply.came(), "no message waits: {reply:?}");
    reply.label
}

pub(crate) fn a_sender_that_gives_up_is_not_announced_any_more() {
    let address = kernel_user_page();
    // SAFETY: a page of kernel-user memory, which stays.
    let vcpu = unsafe { Vcpu::new(address as usize) };
    // It takes no message.
    let worker = spawn(|| ipc::sleep_forever());
    worker.thread().vcpu_control(address).unwrap();
    let receiver = worker.thread();
    let sender = spawn(move || Message::new(2).send(*receiver).outcome());
    assert_eq!(vcpu.sticky_flags(), StickyFlags::IRQ_PENDING);
    sender
        .thread()
        .ex_regs(None, None, ExRegsFlags::CANCEL)
        .unwrap();
    assert_eq!(sender.join(), failed(IpcError::SEND_CANCELED));
    assert_eq!(vcpu.sticky_flags(), StickyFlags::empty());
}

pub(crate) fn without_the_flag_messages_wait() {
    // It is a vCPU before the interrupt comes.
    let worker = spawn(|| {
        let vcpu = crate::guest::new_vcpu();
        settle(|| vcpu.sticky_flags() != StickyFlags::empty());
        (vcpu.sticky_flags(), receive_any(), vcpu.sticky_flags())
    });
    let irq = irq(worker.thread(), 0x40);
    irq.trigger().unwrap();
    let expected = (StickyFlags::IRQ_PENDING, 0x40, StickyFlags::empty());
    assert_eq!(worker.join(), expected);
}
