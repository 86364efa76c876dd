//! Factories: what they make, refuse, and pay for.

use l4_abi::item::{MapItem, SendItem};
use l4_abi::rights::MemoryRights;

use super::*;
use crate::memory::KernelHeap;
use crate::object::Ref;
use crate::testing::{Doing, Syscall, TestTask, World, run};

const QUOTA: u64 = 0x2_0000;
/// Where the caller wants capabilities.
const SLOT: u64 = 0x180;

struct Setup {
    task: TestTask,
    thread: Ref<Thread>,
    factory: Ref<Factory>,
    slot: u64,
}

impl Setup {
    fn new(world: &mut World) -> Self {
        let task = world.task();
        let thread = world.thread(&task, 10);
        let factory = world.factory(QUOTA);
        // Memory for the slots is the task's own, and there already.
        assert!(task.task.make_slot(world.cpu, SLOT).is_ok());
        Self {
            slot: world.give_full(&task, factory.header()),
            task,
            thread,
            factory,
        }
    }

    fn make(&self, world: &mut World, kind: ObjectType, argument: u64) -> i64 {
        self.make_in(world, SLOT, kind, argument)
    }

    fn make_in(&self, world: &mut World, slot: u64, kind: ObjectType, argument: u64) -> i64 {
        let buffer = l4_abi::item::ReceiveBuffer::slot_word(slot, false);
        world.write_buffers(&self.thread, &[buffer]);
        let words = [kind.word(), 0, argument];
        world.invoke(&self.thread, self.slot, label::FACTORY, &words, None)
    }

    fn is_made(&self, world: &World, slot: u64) -> bool {
        let entry = self.task.task.capabilities.lookup(world.cpu, slot);
        entry.is_some_and(|entry| entry.rights == CapabilityRights::FULL)
    }

    /// Removes what was made.
    fn remove(&self, world: &mut World, slot: u64) {
        let entry = self.task.task.capabilities.lookup(world.cpu, slot);
        crate::object::doom(world.cpu, entry.expect("it is there").object);
        // The world lets go of a task that is gone.
        world.enter(machine::event::Source::Spurious);
        world.enter(machine::event::Source::Spurious);
    }

    fn used(&self) -> u64 {
        self.factory.quota.used()
    }
}

const AREA: Flexpage = Flexpage::memory(0x10_0000, 12, MemoryRights::empty());

const KINDS: [(ObjectType, u64); 6] = [
    (ObjectType::IpcGate, 0),
    (ObjectType::Task, AREA.raw()),
    (ObjectType::Thread, 0),
    (ObjectType::Factory, 0x4000),
    (ObjectType::IrqSender, 0),
    (ObjectType::Semaphore, 0),
];

#[test]
fn what_an_object_took_comes_back_to_the_byte() {
    run(|world| {
        let setup = Setup::new(world);
        for (kind, argument) in KINDS {
            assert_eq!(setup.make(world, kind, argument), 0, "{kind:?}");
            assert!(setup.is_made(world, SLOT));
            assert!(setup.used() > 0, "{kind:?} is not free");
            setup.remove(world, SLOT);
            assert_eq!(setup.used(), 0, "{kind:?}");
        }
    });
}

#[test]
fn a_quota_is_used_up_exactly_and_then_usable_again() {
    run(|world| {
        let setup = Setup::new(world);
        let mut rounds = [0, 0];
        for round in &mut rounds {
            let mut made = 0;
            while setup.make_in(world, SLOT + made, ObjectType::Semaphore, 0) == 0 {
                made += 1;
            }
            let size = size_of_object::<Semaphore>();
            assert_eq!(made, QUOTA / size, "semaphores of {size} bytes");
            assert_eq!(setup.used(), made * size);
            (0..made).for_each(|index| setup.remove(world, SLOT + index));
            assert_eq!(setup.used(), 0);
            *round = made;
        }
        assert_eq!(rounds[0], rounds[1]);
    });
}

fn size_of_object<T>() -> u64 {
    let size = machine::object::size_of_object::<crate::object::Common, T>();
    KernelHeap::charge_for(size) as u64
}

#[test]
fn what_the_quota_is_too_small_for_takes_nothing() {
    run(|world| {
        let setup = Setup::new(world);
        for (kind, argument) in KINDS {
            assert_eq!(setup.make(world, kind, argument), 0);
            let needed = setup.used();
            setup.remove(world, SLOT);
            for limit in (64..needed).step_by(64) {
                assert_eq!(setup.make(world, ObjectType::Factory, limit), 0);
                let entry = setup.task.task.capabilities.lookup(world.cpu, SLOT);
                let small = entry.and_then(|entry| Ref::<Factory>::from_header(entry.object));
                let small = small.expect("a factory");
                let inner = Setup {
                    task: setup.task.clone(),
                    thread: setup.thread.clone(),
                    slot: SLOT,
                    factory: small,
                };
                let made = inner.make_in(world, SLOT + 1, kind, argument);
                assert_eq!(made, ResultCode::ENOMEM.label(), "{kind:?} for {limit}");
                world.enter(machine::event::Source::Spurious);
                assert_eq!(inner.used(), 0, "{kind:?} for {limit}");
                drop(inner);
                setup.remove(world, SLOT);
            }
            assert_eq!(setup.used(), 0);
        }
    });
}

#[test]
fn a_factory_takes_its_quota_at_once_and_gives_it_back_with_its_last_object() {
    run(|world| {
        let setup = Setup::new(world);
        assert_eq!(setup.make(world, ObjectType::Factory, 0x8000), 0);
        let taken = setup.used();
        assert!(taken > 0x8000);
        assert_eq!(
            setup.make_in(world, SLOT + 1, ObjectType::Factory, QUOTA),
            -12
        );
        // A semaphore of the inner one, which then goes.
        let outer = setup.slot;
        let inner = Setup {
            slot: SLOT,
            ..setup
        };
        assert_eq!(inner.make_in(world, SLOT + 2, ObjectType::Semaphore, 0), 0);
        inner.remove(world, SLOT);
        let factory_itself = size_of_object::<Factory>();
        assert_eq!(
            inner.used(),
            taken - factory_itself,
            "the semaphore is left"
        );
        inner.remove(world, SLOT + 2);
        assert_eq!(inner.used(), 0);
        // The outer one goes on.
        let outer = Setup {
            slot: outer,
            ..inner
        };
        assert_eq!(outer.make(world, ObjectType::Semaphore, 0), 0);
    });
}

#[test]
fn what_cannot_be_handed_out_is_not_made() {
    run(|world| {
        let setup = Setup::new(world);
        let enomem = ResultCode::ENOMEM.label();
        for (kind, argument) in KINDS {
            assert_eq!(setup.make_in(world, 0x1_0000, kind, argument), enomem);
            world.enter(machine::event::Source::Spurious);
            assert_eq!(setup.used(), 0, "{kind:?}");
        }
    });
}

#[test]
fn a_target_slot_loses_what_it_has() {
    run(|world| {
        let setup = Setup::new(world);
        let old = world.semaphore();
        let slot = world.give_full(&setup.task, old.header());
        assert_eq!(setup.make_in(world, slot, ObjectType::IpcGate, 0), 0);
        assert!(old.header().common().is_doomed());
        assert!(setup.is_made(world, slot));
    });
}

#[test]
fn requests_are_refused_as_the_table_of_errors_says() {
    run(|world| {
        let setup = Setup::new(world);
        let header = setup.factory.header();
        let no_special = world.give(&setup.task, header, CapabilityRights::RW);
        let irq = ObjectType::IrqSender.word();
        let task = ObjectType::Task.word();
        let factory = ObjectType::Factory.word();
        let too_large = Flexpage::memory(0, 18, MemoryRights::empty()).raw();
        let no_memory = Flexpage::object(1, CapabilityRights::RW).raw();
        let buffer = l4_abi::item::ReceiveBuffer::slot_word(SLOT, false);
        world.write_buffers(&setup.thread, &[buffer]);
        for (slot, label, words, code) in [
            (no_special, label::FACTORY, &[irq][..], ResultCode::EPERM),
            (setup.slot, label::TASK, &[irq], ResultCode::EBADPROTO),
            (setup.slot, label::FACTORY, &[], ResultCode::EMSGTOOSHORT),
            (
                setup.slot,
                label::FACTORY,
                &[-9_i64 as u64],
                ResultCode::ENODEV,
            ),
            (setup.slot, label::FACTORY, &[task, 0], ResultCode::EINVAL),
            (
                setup.slot,
                label::FACTORY,
                &[task, 0, too_large],
                ResultCode::EINVAL,
            ),
            (
                setup.slot,
                label::FACTORY,
                &[task, 0, no_memory],
                ResultCode::EINVAL,
            ),
            (
                setup.slot,
                label::FACTORY,
                &[factory, 0],
                ResultCode::EMSGTOOSHORT,
            ),
            (
                setup.slot,
                label::FACTORY,
                &[factory, 0, 0],
                ResultCode::ENOMEM,
            ),
            (
                setup.slot,
                label::FACTORY,
                &[factory, 0, u64::MAX],
                ResultCode::ENOMEM,
            ),
            (
                setup.slot,
                label::FACTORY,
                &[factory, 0, 1, 0],
                ResultCode::EMSGTOOLONG,
            ),
        ] {
            let result = world.invoke(&setup.thread, slot, label, words, None);
            assert_eq!(result, code.label(), "{label} {words:x?}");
            assert_eq!(setup.used(), 0);
        }
        // Without a buffer, and without a receive phase.
        world.write_buffers(&setup.thread, &[0]);
        world.write(&setup.thread, &[irq]);
        let call = Syscall::invoke(setup.slot, label::FACTORY, 1);
        let overflow = Doing::Failed(IpcError::RECEIVE_OVERFLOW);
        assert_eq!(world.syscall(&setup.thread, call), overflow);
        let send = Syscall::send(setup.slot).tag(label::FACTORY, 1, 0);
        assert_eq!(world.syscall(&setup.thread, send), Doing::Done(send.tag));
        assert_eq!(setup.used(), 0);
    });
}

#[test]
fn the_answer_tells_where_the_memory_of_a_task_is() {
    run(|world| {
        let setup = Setup::new(world);
        let within = Flexpage::memory(0x10_3000, 14, MemoryRights::RWX);
        let area = Flexpage::memory(0x10_0000, 14, MemoryRights::empty()).raw();
        assert_eq!(setup.make(world, ObjectType::Task, within.raw()), 0);
        assert_eq!(world.word(&setup.thread, 0), area);
        let words = [3, within.raw() + 0x10_0000, within.raw() + 0x20_0000];
        let added = world.invoke(&setup.thread, SLOT, label::TASK, &words, None);
        let answer = [0, 1].map(|index| world.word(&setup.thread, index));
        assert_eq!((added, answer), (0, [area + 0x10_0000, area + 0x20_0000]));
    });
}

#[test]
fn a_gate_is_not_made_for_what_is_no_thread() {
    run(|world| {
        let setup = Setup::new(world);
        let thread = world.give_full(&setup.task, setup.thread.header());
        let rights = CapabilityRights::RW;
        let weak = world.give(&setup.task, setup.thread.header(), rights);
        let object = |slot: u64| MapItem::capability(slot, rights);
        let memory = MapItem::memory(0x10_0000, 12, MemoryRights::RW);
        let [einval, eperm] = [ResultCode::EINVAL, ResultCode::EPERM].map(ResultCode::label);
        let short = ResultCode::EMSGTOOSHORT.label();
        let buffer = l4_abi::item::ReceiveBuffer::slot_word(SLOT, false);
        world.write_buffers(&setup.thread, &[buffer]);
        // The item counts before the number of words, and that before the label.
        for (words, item, code) in [
            (1, memory, einval),
            (1, object(setup.slot), einval),
            (1, object(weak), eperm),
            (2, object(thread), short),
            (3, object(thread), einval),
        ] {
            world.write(&setup.thread, &[0, 0, 1][..words]);
            let utcb = setup.thread.utcb(world.cpu);
            for (offset, word) in SendItem::Map(item).words().into_iter().enumerate() {
                utcb.set_word(words + offset, word);
            }
            let call = Syscall::call(setup.slot).tag(label::FACTORY, words, 1);
            let refused = Doing::Done(MessageTag::label_only(code));
            assert_eq!(
                world.syscall(&setup.thread, call),
                refused,
                "{words} {item:?}"
            );
        }
        assert_eq!(setup.used(), 0);
    });
}

/// Begins to make a task with much kernel-user memory; pauses.
fn begin_task(world: &mut World, setup: &Setup) {
    let area = Flexpage::memory(0x10_0000, 16, MemoryRights::RW);
    let buffer = l4_abi::item::ReceiveBuffer::slot_word(SLOT, false);
    world.write_buffers(&setup.thread, &[buffer]);
    world.cpu.kernel.platform.chip.set_pending(true);
    let words = [ObjectType::Task.word(), 0, area.raw()];
    world.start_invocation(&setup.thread, setup.slot, label::FACTORY, &words, None);
    world.enter(machine::event::Source::Spurious);
    assert!(world.cpu.unfinished.get() && !setup.is_made(world, SLOT));
}

#[test]
fn a_task_gets_its_kernel_user_memory_in_steps() {
    run(|world| {
        let setup = Setup::new(world);
        begin_task(world, &setup);
        let mut pauses = 2;
        while !setup.is_made(world, SLOT) {
            assert!(world.cpu.unfinished.get());
            world.enter(machine::event::Source::Spurious);
            pauses += 1;
        }
        world.cpu.kernel.platform.chip.set_pending(false);
        assert_eq!(pauses, 3);
        let area = Flexpage::from_raw(world.word(&setup.thread, 0));
        assert_eq!(area, Flexpage::memory(0x10_0000, 16, MemoryRights::empty()));
        setup.remove(world, SLOT);
        assert_eq!(setup.used(), 0);
    });
}

#[test]
fn a_task_that_is_not_finished_goes() {
    type GiveUp = fn(&mut World, &Setup);
    let ways: [GiveUp; 3] = [
        |world, setup| world.destroy(setup.thread.header()),
        |world, setup| {
            setup.thread.cancel(world.cpu);
        },
        // Somebody who shares the UTCB makes another object of it.
        |world, setup| world.write(&setup.thread, &[ObjectType::Semaphore.word()]),
    ];
    for give_up in ways {
        run(|world| {
            let setup = Setup::new(world);
            begin_task(world, &setup);
            let used = setup.used();
            give_up(world, &setup);
            world.cpu.kernel.platform.chip.set_pending(false);
            world.enter(machine::event::Source::Spurious);
            world.enter(machine::event::Source::Spurious);
            assert!(used > 0x1_0000 && setup.used() < 0x1000);
        });
    }
}
