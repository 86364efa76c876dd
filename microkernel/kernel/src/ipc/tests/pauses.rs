//! Messages whose items take long: interrupts come while they are mapped, and
//! so do other things.

use l4_abi::capability::Selector;
use l4_abi::error::IpcError;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{MapItem, ReceiveBuffer, SendItem};
use l4_abi::operation::Operation;
use l4_abi::protocol::thread::Opcode;
use l4_abi::protocol::{ipc_gate, label};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::vcpu::StateFlags;
use machine::event::Source as Event;

use crate::object::Ref;
use crate::object::thread::{Source, Thread, Waiting};
use crate::testing::{Doing, Syscall, TestTask, UTCB_AREA, World, run, run_on};

/// 128 pages that the sender has, and where the receiver wants them.
const FROM: u64 = 0x1000_0000;
const TO: u64 = 0x2000_0000;
const ORDER: u32 = 19;
const PAGES: u64 = 1 << (ORDER - 12);

struct Setup {
    sender: Ref<Thread>,
    sender_task: TestTask,
    receiver: Ref<Thread>,
    receiver_task: TestTask,
    /// The sender's slot of the receiver.
    to_receiver: u64,
}

impl Setup {
    fn new(world: &mut World, receiver_cpu: usize) -> Self {
        let (sender_task, receiver_task) = (world.task(), world.task());
        world.give_memory(&sender_task, FROM);
        let receiver = world.on(receiver_cpu).thread(&receiver_task, 10);
        let sender = world.on(0).thread(&sender_task, 10);
        let window = Flexpage::memory(TO, ORDER, MemoryRights::RWX).raw();
        for thread in [&sender, &receiver] {
            world.write_buffers(thread, &[ReceiveBuffer::WINDOW_WORD, window]);
        }
        let to_receiver = world.give_full(&sender_task, receiver.header());
        let item = SendItem::Map(MapItem::memory(FROM, ORDER, MemoryRights::RWX)).words();
        world.write(&sender, &[0x77, item[0], item[1]]);
        Self {
            sender,
            sender_task,
            receiver,
            receiver_task,
            to_receiver,
        }
    }

    fn send(&self) -> Syscall {
        Syscall::send(self.to_receiver).tag(0, 1, 1)
    }

    /// Pages that the receiver has.
    fn arrived(&self) -> u64 {
        arrived_in(&self.receiver_task)
    }

    fn assert_half_way(&self, world: &World) {
        assert!(world.cpu.unfinished.get() && world.cpu.block().is_idle());
        let arrived = self.arrived();
        assert!(arrived > 0 && arrived < PAGES, "{arrived} pages");
    }
}

fn arrived_in(task: &TestTask) -> u64 {
    let space = task.task.memory.space();
    (0..PAGES)
        .filter(|page| space.page_at(TO + page * 0x1000).is_some())
        .count() as u64
}

fn set_pending(world: &World, pending: bool) {
    world.cpu.kernel.platform.chip.set_pending(pending);
}

/// No further interrupt waits: what has paused comes to its end.
fn go_on(world: &mut World) {
    set_pending(world, false);
    world.enter(Event::Spurious);
    assert!(!world.cpu.unfinished.get());
}

const WAITS: Doing = Doing::Waits(Waiting::Receive(Source::Anyone));

#[test]
fn a_message_waits_for_its_items_and_each_step_makes_progress() {
    run(|world| {
        let setup = Setup::new(world, 0);
        world.syscall(&setup.receiver, Syscall::wait());
        set_pending(world, true);
        world.syscall(&setup.sender, setup.send());
        setup.assert_half_way(world);
        let before = setup.arrived();
        world.enter(Event::Spurious);
        assert!(setup.arrived() > before);
        assert_eq!(world.doing(&setup.receiver), WAITS);
        go_on(world);
        assert_eq!(setup.arrived(), PAGES);
        assert_eq!(world.doing(&setup.receiver), Doing::Done(setup.send().tag));
        assert_eq!(world.word(&setup.receiver, 0), 0x77);
    });
}

#[test]
fn who_takes_a_queued_message_maps_its_items() {
    run(|world| {
        let setup = Setup::new(world, 0);
        world.syscall(&setup.receiver, Syscall::sleep());
        world.syscall(&setup.sender, setup.send());
        setup.receiver.cancel(world.cpu);
        world.enter(Event::Spurious);
        set_pending(world, true);
        world.syscall(&setup.receiver, Syscall::wait());
        setup.assert_half_way(world);
        assert_eq!(world.doing(&setup.sender), Doing::Waits(Waiting::Send));
        go_on(world);
        assert_eq!(setup.arrived(), PAGES);
        assert_eq!(world.doing(&setup.sender), Doing::Done(setup.send().tag));
        assert_eq!(world.word(&setup.receiver, 0), 0x77);
    });
}

#[test]
fn a_message_that_has_waited_for_its_gate_pauses_as_any_other() {
    run(|world| {
        let setup = Setup::new(world, 0);
        world.syscall(&setup.receiver, Syscall::wait());
        let gate = world.unbound_gate();
        let to_gate = world.give_full(&setup.sender_task, gate.header());
        let send = Syscall::send(to_gate).tag(0, 1, 1);
        let waits = Doing::Waits(Waiting::Gate);
        assert_eq!(world.syscall(&setup.sender, send), waits);
        let binder = world.thread(&setup.sender_task, 5);
        set_pending(world, true);
        let words = [ipc_gate::Opcode::BindThread as u64, 0x40];
        let thread = Some(setup.to_receiver);
        world.start_invocation(&binder, to_gate, label::KERNEL_OBJECT, &words, thread);
        setup.assert_half_way(world);
        go_on(world);
        assert_eq!(setup.arrived(), PAGES);
        assert_eq!(world.doing(&setup.receiver), Doing::Done(send.tag));
    });
}

#[test]
fn a_vcpu_is_entered_when_all_items_have_come() {
    run(|world| {
        let setup = Setup::new(world, 0);
        let area = UTCB_AREA + 0x3000;
        let this = Syscall::new(Selector::INVALID, Operation::CALL);
        world.write(&setup.receiver, &[Opcode::VcpuControl.word(), area]);
        world.syscall(&setup.receiver, this.tag(label::THREAD, 2, 0));
        world.syscall(&setup.sender, setup.send());
        let state = setup.receiver.vcpu_area(world.cpu).expect("it is a vCPU");
        assert!(state.is_irq_pending());
        state.set_saved_state(StateFlags::IRQ);
        set_pending(world, true);
        world.write(&setup.receiver, &[Opcode::VcpuResume.word()]);
        world.syscall(&setup.receiver, this.tag(label::THREAD, 1, 0));
        setup.assert_half_way(world);
        go_on(world);
        assert_eq!(setup.arrived(), PAGES);
        assert_eq!(world.doing(&setup.sender), Doing::Done(setup.send().tag));
        let frame = &setup.receiver.state(world.cpu).context.frame;
        assert_eq!(frame.argument(0), area);
        let state = setup.receiver.vcpu_area(world.cpu).expect("it is a vCPU");
        assert!(!state.tag().has_error() && !state.is_irq_pending());
    });
}

/// The receiver calls, and the sender answers.
fn answer(world: &mut World, setup: &Setup) {
    let sender_slot = world.give_full(&setup.receiver_task, setup.sender.header());
    world.syscall(&setup.sender, Syscall::wait());
    let item = SendItem::Map(MapItem::memory(FROM, ORDER, MemoryRights::RWX)).words();
    world.syscall(&setup.receiver, Syscall::call(sender_slot));
    world.write(&setup.sender, &[0x77, item[0], item[1]]);
    set_pending(world, true);
    world.syscall(&setup.sender, Syscall::reply().tag(0, 1, 1));
    setup.assert_half_way(world);
}

#[test]
fn an_answer_with_items_reaches_its_caller_and_no_other_follows() {
    run(|world| {
        let setup = Setup::new(world, 0);
        answer(world, &setup);
        go_on(world);
        assert_eq!(setup.arrived(), PAGES);
        assert_eq!(world.word(&setup.receiver, 0), 0x77);
        let again = world.syscall(&setup.sender, Syscall::reply());
        assert_eq!(again, Doing::Failed(IpcError::NOT_EXISTENT));
    });
}

#[test]
fn a_cancelled_answer_can_be_given_again() {
    run(|world| {
        let setup = Setup::new(world, 0);
        answer(world, &setup);
        setup.sender.cancel(world.cpu);
        go_on(world);
        let cancelled = Doing::Failed(IpcError::SEND_CANCELED);
        assert_eq!(world.doing(&setup.sender), cancelled);
        assert!(matches!(world.doing(&setup.receiver), Doing::Waits(_)));
        let reply = Syscall::reply().tag(0, 1, 0);
        world.syscall(&setup.sender, reply);
        assert_eq!(world.doing(&setup.receiver), Doing::Done(reply.tag));
    });
}

#[test]
fn the_partners_of_a_paused_message_can_go_at_any_time() {
    for pulls in [false, true] {
        for what in 0..6 {
            run(|world| {
                let setup = Setup::new(world, 0);
                let (sender, receiver) = (&setup.sender, &setup.receiver);
                if pulls {
                    world.syscall(receiver, Syscall::sleep());
                    world.syscall(sender, setup.send());
                    receiver.cancel(world.cpu);
                    world.enter(Event::Spurious);
                    set_pending(world, true);
                    world.syscall(receiver, Syscall::wait());
                } else {
                    world.syscall(receiver, Syscall::wait());
                    set_pending(world, true);
                    world.syscall(sender, setup.send());
                }
                setup.assert_half_way(world);
                let task = |thread: &Thread| {
                    let header = thread.task_header(world.cpu).expect("it is bound");
                    header.any_ref()
                };
                match what {
                    0 => sender.cancel(world.cpu),
                    1 => receiver.cancel(world.cpu),
                    2 => crate::object::doom(world.cpu, sender.header()),
                    3 => crate::object::doom(world.cpu, receiver.header()),
                    4 => crate::object::doom(world.cpu, &task(sender)),
                    _ => crate::object::doom(world.cpu, &task(receiver)),
                }
                go_on(world);
                let delivered = world.doing(receiver) == Doing::Done(setup.send().tag);
                // A sender loses its capability with its task.
                assert_eq!(delivered, what == 5 || what == 4 && pulls, "{what}");
                if delivered && what == 4 {
                    // What its task had is gone, and all that came of it.
                    assert_eq!(setup.arrived(), 0);
                }
            });
        }
    }
}

#[test]
fn items_for_a_thread_of_another_cpu_are_mapped_there_a_few_at_each_visit() {
    run_on(2, |world| {
        let setup = Setup::new(world, 1);
        world.syscall(&setup.receiver, Syscall::wait());
        world.syscall(&setup.sender, setup.send());
        set_pending(world, true);
        let mut visits = 0;
        while setup.arrived() < PAGES {
            world.deliver(1);
            world.deliver(0);
            visits += 1;
            assert!(visits < 200, "it does not get on");
        }
        assert!(visits > 2);
        set_pending(world, false);
        world.deliver_all();
        assert_eq!(world.doing(&setup.receiver), Doing::Done(setup.send().tag));
        assert_eq!(world.word(&setup.receiver, 0), 0x77);
    });
}

#[test]
fn a_message_whose_slot_comes_to_name_another_goes_to_that_one_as_a_whole() {
    run(|world| {
        let setup = Setup::new(world, 0);
        let other_task = world.task();
        let other = world.thread(&other_task, 10);
        let window = Flexpage::memory(TO, ORDER, MemoryRights::RWX).raw();
        world.write_buffers(&other, &[ReceiveBuffer::WINDOW_WORD, window]);
        for receiver in [&setup.receiver, &other] {
            world.syscall(receiver, Syscall::wait());
        }
        // Without D: what is put over it leaves the receiver alive.
        let rights = CapabilityRights::RW;
        let slot = world.give(&setup.sender_task, setup.receiver.header(), rights);
        set_pending(world, true);
        world.syscall(&setup.sender, Syscall::send(slot).tag(0, 1, 1));
        setup.assert_half_way(world);
        world.put(&setup.sender_task, slot, other.header());
        go_on(world);
        assert_eq!(world.doing(&other), Doing::Done(setup.send().tag));
        assert_eq!(arrived_in(&other_task), PAGES);
        assert!(setup.arrived() < PAGES);
        assert_eq!(world.doing(&setup.receiver), WAITS);
    });
}

#[test]
fn nothing_more_comes_to_a_window_that_was_closed_while_a_message_paused() {
    run(|world| {
        let setup = Setup::new(world, 0);
        world.syscall(&setup.receiver, Syscall::wait());
        set_pending(world, true);
        world.syscall(&setup.sender, setup.send());
        setup.assert_half_way(world);
        let before = setup.arrived();
        // Its wait ends; it waits again, with another window.
        setup.receiver.cancel(world.cpu);
        let elsewhere = TO + (1 << ORDER);
        let window = Flexpage::memory(elsewhere, ORDER, MemoryRights::RWX).raw();
        world.write_buffers(&setup.receiver, &[ReceiveBuffer::WINDOW_WORD, window]);
        world.syscall(&setup.receiver, Syscall::wait());
        go_on(world);
        assert_eq!(world.doing(&setup.receiver), Doing::Done(setup.send().tag));
        assert!(setup.arrived() <= before, "{} pages", setup.arrived());
        let space = setup.receiver_task.task.memory.space();
        let arrived = space.pages_in(elsewhere, elsewhere + (1 << ORDER)).count();
        assert_eq!(arrived as u64, PAGES);
    });
}
