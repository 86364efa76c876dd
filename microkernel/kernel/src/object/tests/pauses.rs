//! What has many partners ends in steps between which interrupts come, and
//! other things happen.

use l4_abi::error::{IpcError, ResultCode};
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::ipc_gate::Opcode;
use l4_abi::protocol::label;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::protocol::thread::Opcode as ThreadOpcode;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::timeout::Timeout;
use machine::event::{Fault, Source};

use crate::object::thread::{Thread, Waiting};
use crate::object::{Ref, doom};
use crate::testing::{Doing, Syscall, TEST_MEMORY, TestTask, UTCB_AREA, World, run, run_on};

/// More than an operation handles without a pause.
const MANY: usize = 12;

const GONE: Doing = Doing::Failed(IpcError::NOT_EXISTENT);

/// An interrupt waits, and will be followed by others.
fn begin_interrupts(world: &World) {
    world.cpu.kernel.platform.chip.set_pending(true);
}

/// They come until the kernel has done all that it has to do; how many those
/// were.
fn take_interrupts(world: &mut World) -> usize {
    let mut taken = 0;
    while world.cpu.unfinished.get() {
        assert!(world.cpu.block().is_idle(), "interrupts can come");
        world.enter(Source::Spurious);
        taken += 1;
        assert!(taken < 1000, "it does not get on");
    }
    world.cpu.kernel.platform.chip.set_pending(false);
    taken
}

/// Threads that do what `call` says.
fn threads(world: &mut World, task: &TestTask, call: Syscall) -> Vec<Ref<Thread>> {
    let one = |_| {
        let thread = world.thread(task, 10);
        assert!(matches!(world.syscall(&thread, call), Doing::Waits(_)));
        thread
    };
    (0..MANY).map(one).collect()
}

fn count(world: &World, threads: &[Ref<Thread>], doing: Doing) -> usize {
    let is = |thread: &&Ref<Thread>| world.doing(thread) == doing;
    threads.iter().filter(is).count()
}

#[test]
fn a_gate_lets_those_go_who_wait_for_it_a_few_at_a_time() {
    run(|world| {
        let task = world.task();
        let gate = world.unbound_gate();
        let slot = world.give_full(&task, gate.header());
        let waiting = threads(world, &task, Syscall::send(slot));
        begin_interrupts(world);
        world.destroy(gate.header());
        let waits = Doing::Waits(Waiting::Gate);
        while count(world, &waiting, waits) == MANY {
            world.enter(Source::Spurious);
        }
        assert!(count(world, &waiting, waits) > 2);
        // Meanwhile others end their waits themselves.
        let waits = |thread: &&Ref<Thread>| world.doing(thread) == Doing::Waits(Waiting::Gate);
        let cancelled = waiting.iter().find(waits).expect("one waits");
        cancelled.cancel(world.cpu);
        let killed = waiting.iter().rfind(waits).expect("one waits");
        doom(world.cpu, killed.header());
        assert!(take_interrupts(world) > 1);
        assert_eq!(count(world, &waiting, GONE), MANY - 2);
        let cancelled = world.doing(cancelled);
        assert_eq!(cancelled, Doing::Failed(IpcError::SEND_CANCELED));
        assert_eq!(world.doing(killed), Doing::Dead);
    });
}

#[test]
fn a_semaphore_lets_those_go_who_wait_for_it_a_few_at_a_time() {
    run(|world| {
        let task = world.task();
        let semaphore = world.semaphore();
        let slot = world.give_full(&task, semaphore.header());
        let down = Syscall::invoke(slot, label::SEMAPHORE, 1);
        let waiting = threads(world, &task, down);
        begin_interrupts(world);
        world.destroy(semaphore.header());
        assert!(take_interrupts(world) > 1);
        assert_eq!(count(world, &waiting, GONE), MANY);
    });
}

#[test]
fn a_dead_thread_lets_those_go_who_wait_for_it_a_few_at_a_time() {
    for by_fault in [false, true] {
        run(|world| {
            let task = world.task();
            let receiver = world.thread(&task, 20);
            let slot = world.give_full(&task, receiver.header());
            let irqs: Vec<_> = (0..MANY).map(|_| world.irq()).collect();
            let to_irqs = irqs.iter().map(|irq| world.give_full(&task, irq.header()));
            for irq in to_irqs.collect::<Vec<_>>() {
                let bind = [Opcode::BindThread as u64, 4];
                world.invoke(&receiver, irq, label::KERNEL_OBJECT, &bind, Some(slot));
                world.syscall(&receiver, Syscall::send(irq).tag(label::IRQ, 0, 0));
            }
            world.syscall(&receiver, Syscall::sleep());
            let senders = threads(world, &task, Syscall::send(slot));
            receiver.cancel(world.cpu);
            world.enter(Source::Spurious);
            begin_interrupts(world);
            if by_fault {
                // It has no pager.
                let fault = Fault::Page {
                    address: 0x5000,
                    bits: 0,
                    beyond_user: false,
                };
                world.fault(&receiver, fault);
            } else {
                world.destroy(receiver.header());
            }
            assert!(world.cpu.unfinished.get());
            assert!(take_interrupts(world) > 2);
            let lost = Doing::Failed(IpcError::SEND_CANCELED);
            assert_eq!(count(world, &senders, lost), MANY);
            assert!(irqs.iter().all(|irq| !irq.status().queued));
            assert_eq!(world.doing(&receiver), Doing::Dead);
        });
    }
}

#[test]
fn a_thread_of_another_cpu_with_many_senders_ends_before_who_destroys_it_goes_on() {
    run_on(2, |world| {
        let task = world.task();
        let receiver = world.on(1).thread(&task, 20);
        let slot = world.give_full(&task, receiver.header());
        world.syscall(&receiver, Syscall::sleep());
        let senders = threads(world, &task, Syscall::send(slot));
        let killer = world.on(0).thread(&task, 5);
        begin_interrupts(world);
        doom(world.cpu, receiver.header());
        world.enter(Source::Spurious);
        take_interrupts(world);
        assert!(!world.runs(&killer), "it goes round");
        begin_interrupts(world);
        world.deliver(1);
        assert_eq!(world.doing(&receiver), Doing::Dead);
        assert!(world.cpu.unfinished.get());
        take_interrupts(world);
        world.deliver_all();
        assert!(world.runs(&killer));
        let lost = Doing::Failed(IpcError::SEND_CANCELED);
        assert_eq!(count(world, &senders, lost), MANY);
    });
}

#[test]
fn many_capabilities_to_an_object_go_in_steps() {
    run(|world| {
        let task = world.task();
        let semaphore = world.semaphore();
        let give = |_| world.give_full(&task, semaphore.header());
        let slots: Vec<u64> = (0..MANY).map(give).collect();
        let held = |world: &World| {
            let held = |slot: &&u64| task.task.capabilities.lookup(world.cpu, **slot).is_some();
            slots.iter().filter(held).count()
        };
        begin_interrupts(world);
        world.destroy(semaphore.header());
        let left = held(world);
        assert!(left > 0 && left < MANY, "{left} are left");
        assert!(take_interrupts(world) > 1);
        assert_eq!(held(world), 0);
    });
}

#[test]
fn a_task_with_much_of_everything_goes_in_steps() {
    run(|world| {
        let task = world.task();
        world.give_memory(&task, TEST_MEMORY);
        for _ in 0..MANY {
            let semaphore = world.semaphore();
            world.give_full(&task, semaphore.header());
            // The task's capability is the only one.
            world.forget(semaphore.header());
        }
        let other = world.task();
        world.give_memory(&other, TEST_MEMORY);
        begin_interrupts(world);
        world.destroy(task.header());
        // What another CPU asks for can end another task meanwhile.
        doom(world.cpu, other.header());
        assert!(take_interrupts(world) > 2 * MANY);
        for task in [&task, &other] {
            assert!(task.task.memory.space().page_at(TEST_MEMORY).is_none());
        }
    });
}

#[test]
fn the_memory_of_many_objects_is_freed_in_steps() {
    run(|world| {
        let task = world.task();
        let thread = world.thread(&task, 10);
        let before = world.used();
        let objects: Vec<_> = (0..MANY).map(|_| world.semaphore()).collect();
        for object in &objects {
            world.destroy(object.header());
        }
        let used = world.used();
        drop(objects);
        begin_interrupts(world);
        world.enter(Source::Spurious);
        assert!(world.used() > before && world.used() < used);
        assert!(take_interrupts(world) > 1);
        assert!(world.used() == before && world.runs(&thread));
    });
}

#[test]
fn callers_in_many_reply_slots_learn_a_few_at_a_time_that_nobody_answers() {
    run(|world| {
        let (server_task, task) = (world.task(), world.task());
        let server = world.thread(&server_task, 20);
        let slot = world.give_full(&task, server.header());
        let mut callers = Vec::new();
        for index in 0..MANY as u64 {
            // Far from each other: most slots are empty, and have no memory. The lowest one is
            // neither the first nor the last.
            let slot_number = (index + 6) % MANY as u64 * 700;
            let wait = Syscall::wait().reply_slot(slot_number);
            world.syscall(&server, wait);
            let caller = world.thread(&task, 10);
            world.syscall(&caller, Syscall::call(slot));
            callers.push(caller);
        }
        begin_interrupts(world);
        world.destroy(server.header());
        let lost = Doing::Failed(IpcError::RECEIVE_CANCELED);
        assert!(count(world, &callers, lost) < MANY);
        assert!(take_interrupts(world) > 1);
        assert_eq!(count(world, &callers, lost), MANY);
    });
}

#[test]
fn a_thread_that_took_no_call_into_reply_slots_looks_at_none_when_it_ends() {
    run(|world| {
        let (server_task, task) = (world.task(), world.task());
        let server = world.thread(&server_task, 20);
        let other = world.thread(&server_task, 10);
        let slot = world.give_full(&task, server.header());
        let caller = world.thread(&task, 10);
        world.syscall(&server, Syscall::wait().reply_slot(700));
        world.syscall(&caller, Syscall::call(slot));
        begin_interrupts(world);
        world.destroy(other.header());
        assert!(!world.cpu.unfinished.get(), "nothing takes long");
        assert_eq!(world.doing(&other), Doing::Dead);
        world.cpu.kernel.platform.chip.set_pending(false);
    });
}

#[test]
fn waits_that_end_at_one_time_do_so_a_few_at_a_time() {
    run(|world| {
        let task = world.task();
        let sleep = Syscall::sleep().receive_timeout(Timeout::from_micros(1000));
        let sleeping = threads(world, &task, sleep);
        begin_interrupts(world);
        let platform = &world.cpu.kernel.platform;
        assert!(platform.timer.advance(1000));
        let over = Doing::Failed(IpcError::RECEIVE_TIMEOUT);
        while count(world, &sleeping, over) == 0 {
            world.cpu.kernel.platform.timer.stop();
            world.enter(Source::Timer);
        }
        let woken = count(world, &sleeping, over);
        assert!(woken > 0 && woken < MANY, "{woken} are awake");
        // The timer fires again at once, and again.
        world.advance(0);
        assert_eq!(count(world, &sleeping, over), MANY);
        world.cpu.kernel.platform.chip.set_pending(false);
    });
}

#[test]
fn a_gate_that_is_bound_wakes_those_who_wait_a_few_at_a_time() {
    run(|world| {
        let task = world.task();
        let gate = world.unbound_gate();
        let slot = world.give_full(&task, gate.header());
        let waiting = threads(world, &task, Syscall::send(slot));
        let receiver = world.thread(&task, 20);
        world.syscall(&receiver, Syscall::sleep());
        let binder = world.thread(&task, 15);
        let to_receiver = world.give_full(&task, receiver.header());
        begin_interrupts(world);
        let bind = [Opcode::BindThread as u64, 0x40];
        world.start_invocation(
            &binder,
            slot,
            label::KERNEL_OBJECT,
            &bind,
            Some(to_receiver),
        );
        let left = count(world, &waiting, Doing::Waits(Waiting::Gate));
        assert!(left > 0 && left < MANY, "{left} wait");
        // Who has bound it is not needed for that.
        doom(world.cpu, binder.header());
        assert!(take_interrupts(world) > 1);
        assert_eq!(count(world, &waiting, Doing::Waits(Waiting::Gate)), 0);
    });
}

#[test]
fn a_gate_that_is_bound_while_another_wakes_those_who_wait_does_so_too() {
    run_on(2, |world| {
        let task = world.task();
        let receiver = world.on(0).thread(&task, 20);
        world.syscall(&receiver, Syscall::sleep());
        let to_receiver = world.give_full(&task, receiver.header());
        let gates = [world.unbound_gate(), world.unbound_gate()];
        let tasks = [world.task(), world.task()];
        let waiting = [0, 1].map(|index| {
            let slot = world.give_full(&tasks[index], gates[index].header());
            threads(world, &tasks[index], Syscall::send(slot))
        });
        let to_first = world.give_full(&task, gates[0].header());
        let binder = world.thread(&task, 15);
        // When it gets to the receiver's CPU, this slot names the second gate.
        let slot = world.give(&task, receiver.header(), CapabilityRights::RWS);
        let visitor = world.on(1).thread(&task, 15);
        let bind = [Opcode::BindThread as u64, 0x40];
        let label = label::KERNEL_OBJECT;
        world.start_invocation(&visitor, slot, label, &bind, Some(to_receiver));
        world.put(&task, slot, gates[1].header());
        world.on(0);
        begin_interrupts(world);
        world.start_invocation(&binder, to_first, label, &bind, Some(to_receiver));
        assert!(world.cpu.unfinished.get());
        world.deliver(0);
        take_interrupts(world);
        world.deliver_all();
        for waiting in &waiting {
            assert_eq!(count(world, waiting, Doing::Waits(Waiting::Gate)), 0);
        }
        assert_eq!(world.doing(&visitor), Doing::Done(MessageTag::EMPTY));
    });
}

#[test]
fn many_capabilities_are_mapped_and_unmapped_in_steps() {
    run(|world| {
        let (task, other) = (world.task(), world.task());
        let thread = world.thread(&task, 10);
        let to_other = world.give_full(&task, other.header());
        let own = world.give_full(&task, task.header());
        let semaphore = world.semaphore();
        let slot = |index: u64| 0x400 + index;
        for index in 0..MANY as u64 {
            let place = task.task.make_slot(world.cpu, slot(index)).expect("memory");
            assert!(place.fill(semaphore.header(), CapabilityRights::FULL));
        }
        let held = |world: &World| {
            let held = |index: &u64| {
                other
                    .task
                    .capabilities
                    .lookup(world.cpu, slot(*index))
                    .is_some()
            };
            (0..MANY as u64).filter(held).count()
        };
        let all = Flexpage::objects(slot(0), 4, CapabilityRights::RWSD).raw();
        let control = ItemControl::map(slot(0) << 12, ItemFlags::empty()).raw();
        for (words, argument, opcode_task, wanted) in [
            ([0, control, all], Some(own), to_other, MANY),
            ([1, UnmapMask::ALL_SPACES.raw(), all], None, to_other, 0),
        ] {
            begin_interrupts(world);
            world.start_invocation(&thread, opcode_task, label::TASK, &words, argument);
            let half = held(world);
            assert!(half > 0 && half < MANY, "{half} slots are full");
            assert!(take_interrupts(world) > 1);
            assert_eq!(held(world), wanted);
            assert!(world.runs(&thread));
        }
    });
}

#[test]
fn areas_of_kernel_user_memory_are_made_in_steps() {
    run(|world| {
        let (task, other) = (world.task(), world.task());
        let thread = world.thread(&task, 10);
        let to_other = world.give_full(&task, other.header());
        let area = |index: u64| Flexpage::memory(index << 20, 17, MemoryRights::RW).raw();
        let words = [3, area(3), area(4), area(5)];
        let has = |world: &World, index: u64| {
            other
                .task
                .memory
                .find_shared::<machine::utcb::Utcb>(world.cpu, index << 20)
                .is_some()
        };
        begin_interrupts(world);
        world.start_invocation(&thread, to_other, label::TASK, &words, None);
        assert!(!has(world, 3), "only its tables are made");
        assert!(take_interrupts(world) >= 10);
        assert!(has(world, 4) && has(world, 5) && world.runs(&thread));
        assert_eq!(
            [0, 1, 2].map(|word| world.word(&thread, word) >> 20),
            [3, 4, 5]
        );
    });
}

/// A receiver with many senders and interrupts whose messages have the label
/// 0x10, two threads that may change that, and their slot of the receiver.
struct Labels {
    receiver: Ref<Thread>,
    senders: Vec<Ref<Thread>>,
    callers: [Ref<Thread>; 2],
    slot: u64,
}

impl Labels {
    fn new(world: &mut World) -> Self {
        let task = world.task();
        let receiver = world.thread(&task, 10);
        let gate = world.gate(0x10, &receiver);
        let to_gate = world.give(&task, gate.header(), CapabilityRights::empty());
        let slot = world.give_full(&task, receiver.header());
        for _ in 0..MANY {
            let irq = world.irq();
            let irq = world.give_full(&task, irq.header());
            let bind = [Opcode::BindThread as u64, 0x10];
            let bound = world.invoke(&receiver, irq, label::KERNEL_OBJECT, &bind, Some(slot));
            assert_eq!(bound, 0);
            world.syscall(&receiver, Syscall::send(irq).tag(label::IRQ, 0, 0));
        }
        world.syscall(&receiver, Syscall::sleep());
        let senders = threads(world, &task, Syscall::send(to_gate));
        let callers = [world.thread(&task, 10), world.thread(&task, 10)];
        Self {
            receiver,
            senders,
            callers,
            slot,
        }
    }

    /// The rules would change a label that they have changed once more.
    fn change(&self, world: &mut World, caller: usize) -> Doing {
        let rules = [6, !3, 0x10, !0, 0x20, !3, 0x20, !0, 0x30];
        let caller = &self.callers[caller];
        world.write(caller, &rules);
        world.syscall(
            caller,
            Syscall::invoke(self.slot, label::THREAD, rules.len()),
        )
    }

    /// How many messages have a label by now.
    fn count(&self, world: &World, label: u64) -> usize {
        let mailbox = &self.receiver.mailbox;
        let senders = mailbox.senders(world.cpu);
        let irqs = mailbox.irqs(world.cpu);
        senders
            .filter(|sender| sender.place.label() == label)
            .count()
            + irqs.filter(|irq| irq.label() == label).count()
    }
}

#[test]
fn labels_of_many_senders_change_once_each_a_few_at_a_time() {
    run(|world| {
        let labels = Labels::new(world);
        begin_interrupts(world);
        labels.change(world, 0);
        let changed = labels.count(world, 0x20);
        assert!(changed > 0 && changed < 2 * MANY);
        // The next one, which has not been changed, and the last one leave.
        let unchanged = |sender: &&Ref<Thread>| sender.place.label() == 0x10;
        let next = labels.senders.iter().find(unchanged).expect("one is left");
        let last = labels.senders.iter().rfind(unchanged).expect("one is left");
        for sender in [next, last] {
            sender.cancel(world.cpu);
            world.syscall(sender, Syscall::sleep());
        }
        assert!(take_interrupts(world) > 1);
        assert_eq!(labels.count(world, 0x20), 2 * MANY - 2);
        let done = world.doing(&labels.callers[0]);
        assert_eq!(done, Doing::Done(MessageTag::EMPTY));
        assert!(!labels.receiver.mailbox.is_rewritten());
    });
}

#[test]
fn one_changes_the_labels_of_a_receiver_at_a_time() {
    for is_killed in [false, true] {
        run(|world| {
            let labels = Labels::new(world);
            begin_interrupts(world);
            labels.change(world, 0);
            assert!(labels.receiver.mailbox.is_rewritten());
            if is_killed {
                world.destroy(labels.callers[0].header());
            } else {
                labels.callers[0].cancel(world.cpu);
            }
            assert!(!labels.receiver.mailbox.is_rewritten());
            take_interrupts(world);
            let first = labels.count(world, 0x20);
            assert!(first > 0 && first < 2 * MANY);
            // What was changed is changed again: a second operation.
            labels.change(world, 1);
            assert_eq!(labels.count(world, 0x20), 2 * MANY - first);
            assert_eq!(labels.count(world, 0x30), first);
        });
    }
}

#[test]
fn a_second_change_of_labels_is_refused_while_one_pauses() {
    run(|world| {
        let labels = Labels::new(world);
        begin_interrupts(world);
        labels.change(world, 0);
        let refused = labels.change(world, 1);
        let busy = MessageTag::label_only(ResultCode::EBUSY.label());
        assert_eq!(refused, Doing::Done(busy));
        world.syscall(&labels.callers[1], Syscall::sleep());
        assert!(take_interrupts(world) > 1);
        assert_eq!(labels.count(world, 0x20), 2 * MANY);
    });
}

#[test]
fn senders_of_a_receiver_that_dies_while_labels_change_can_end() {
    run(|world| {
        let labels = Labels::new(world);
        begin_interrupts(world);
        labels.change(world, 0);
        assert!(labels.receiver.mailbox.is_rewritten());
        // Who changes them does not get on meanwhile.
        let task = world.task();
        let urgent = world.thread(&task, 20);
        world.destroy(labels.receiver.header());
        take_interrupts(world);
        assert!(world.runs(&urgent));
        for sender in &labels.senders {
            world.destroy(sender.header());
        }
        drop(labels);
        world.enter(Source::Spurious);
    });
}

#[test]
fn a_thread_that_is_dead_becomes_no_vcpu_before_its_partners_know_of_its_end() {
    run_on(2, |world| {
        let task = world.task();
        let dies = world.thread(&task, 10);
        let slot = world.give_full(&task, dies.header());
        let other = world.on(1).thread(&task, 10);
        world.on(0);
        threads(world, &task, Syscall::send(slot));
        begin_interrupts(world);
        dies.kill(world.cpu);
        world.enter(Source::Spurious);
        assert!(world.cpu.unfinished.get() && dies.task(world.cpu).is_some());
        let words = [ThreadOpcode::VcpuControl.word(), UTCB_AREA + 0x3000];
        world.start_invocation(&other, slot, label::THREAD, &words, None);
        world.deliver_all();
        assert!(!dies.state(world.on(0).cpu).vcpu.is_one());
        take_interrupts(world);
        world.deliver_all();
        let refused = MessageTag::label_only(ResultCode::EINVAL.label());
        assert_eq!(world.doing(&other), Doing::Done(refused));
    });
}
