//! The fast path: it is taken when it should be.

use l4_abi::capability::{Selector, slot};
use l4_abi::error::ResultCode;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags, MapItem, ReceiveBuffer, SendItem};
use l4_abi::operation::Destination;
use l4_abi::protocol::factory::ObjectType;
use l4_abi::protocol::irq::BindOpcode;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::protocol::thread::ControlFlags;
use l4_abi::protocol::{self, label};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::utcb::SIZE;
use machine::event::{Fault, Source as Interrupt};
use machine::per_cpu::ShortWay;

use super::*;
use crate::ipc::fast::page_fault;
use crate::object::thread::Stop;
use crate::testing::{TEST_MEMORY, UTCB_AREA, short_way};

/// Tries the fast path alone.
fn is_fast(world: &World, call: Syscall) -> bool {
    let destination = Destination::new(call.selector, call.operation).raw();
    let timeouts = u64::from(call.timeouts.raw());
    let (label, destination, tag) = (call.label, destination, call.tag.raw());
    let led = short_way(world.cpu, [label, destination, tag, timeouts]);
    !matches!(led, ShortWay::Nowhere | ShortWay::ToTheExit)
}

/// A client that runs, and a server that waits for it, with a gate.
fn ready_pair(world: &mut World) -> (Pair, u64) {
    let pair = Pair::new(world);
    let gate = world.gate(0x40, &pair.server);
    let gate = world.give_full(&pair.client_task, gate.header());
    world.syscall(&pair.server, Syscall::wait());
    world.enter(Interrupt::Spurious);
    assert!(world.runs(&pair.client));
    (pair, gate)
}

#[test]
fn a_call_and_its_answer_take_the_fast_path() {
    run(|world| {
        let (pair, gate) = ready_pair(world);
        for (round, slot) in [(0, gate), (1, pair.to_server), (2, gate)] {
            world.write(&pair.client, &[round, 2]);
            assert!(is_fast(world, Syscall::call(slot).tag(5, 2, 0).label(0x77)));
            assert!(world.runs(&pair.server));
            assert_eq!(world.doing(&pair.server), done(5, 2));
            let label = if slot == gate { 0x43 } else { 0x77 };
            assert_eq!(world.label(&pair.server), label);
            assert_eq!(world.word(&pair.server, 0), round);

            world.write(&pair.server, &[8, 9, 10]);
            let answer = Syscall::reply_and_wait().tag(-3, 63, 0).label(0x99);
            assert!(is_fast(world, answer));
            assert!(world.runs(&pair.client));
            assert_eq!(world.doing(&pair.client), done(-3, 63));
            assert_eq!(world.label(&pair.client), 0x99);
            assert_eq!(world.word(&pair.client, 2), 10);
            assert_eq!(world.doing(&pair.server), WAITS);
        }
    });
}

/// Writes an operation of `thread` with a capability as its argument.
fn write_with(world: &World, thread: &Thread, words: &[u64], argument: u64) {
    let item = SendItem::Map(MapItem::capability(argument, CapabilityRights::RWSD));
    world.write(thread, &[words, item.words().as_slice()].concat());
}

#[test]
fn one_page_or_capability_is_mapped_and_unmapped_on_the_fast_path() {
    run(|world| {
        const PLACE: u64 = 0x4000_0000;
        let (from, to) = (world.task(), world.task());
        world.give_memory(&from, TEST_MEMORY);
        let thread = world.thread(&from, 10);
        let own = world.give_full(&from, from.header());
        let other = world.give_full(&from, to.header());
        let capability = Flexpage::object(own, CapabilityRights::RWSD);
        let page = Flexpage::memory(TEST_MEMORY, 12, MemoryRights::RW);
        let space = to.task.memory.space();
        for (base, flexpage) in [(0x300 << 12, capability), (PLACE, page)] {
            let map = |control: u64| [0, control, flexpage.raw()];
            let is_there = |world: &World| match base {
                PLACE => space.page_at(PLACE).is_some(),
                _ => to.task.capabilities.lookup(world.cpu, 0x300).is_some(),
            };
            let control = ItemControl::map(base, ItemFlags::empty()).raw();
            let call = Syscall::call(other).tag(label::TASK, 3, 1);
            // Once to make the tables.
            write_with(world, &thread, &map(control), own);
            world.syscall(&thread, call);
            let gone = Flexpage::from_raw(base | flexpage.raw() & 0xff0).with_rights(0xf);
            for _ in 0..2 {
                world.write(&thread, &[1, UnmapMask::ALL_SPACES.raw(), gone.raw()]);
                assert!(is_fast(world, Syscall::invoke(other, label::TASK, 3)));
                assert_eq!(world.doing(&thread), done(0, 3));
                assert!(!is_there(world));
                write_with(world, &thread, &map(control), own);
                assert!(is_fast(world, call));
                assert_eq!(world.doing(&thread), done(0, 0));
                assert!(is_there(world));
            }
        }
    });
}

#[test]
fn a_question_about_a_capability_is_answered_on_it_as_off_it() {
    run(|world| {
        let task = world.task();
        let thread = world.thread(&task, 10);
        let own = world.give_full(&task, task.header());
        let name = Selector::new(own).raw();
        // Only what is a slot's name and nothing else.
        let questions = [
            (name, 1, true),
            (Selector::new(0x300).raw(), 0, true),
            (name | 0x3f, 1, false),
            (name | Selector::INVALID_BIT, 0, false),
            (name | Selector::REPLY_BIT, 0, false),
            (Selector::new(1 << 16 | own).raw(), 0, false),
        ];
        let call = Syscall::invoke(own, label::TASK, 2);
        world.syscall(&thread, call);
        for (selector, answer, on_it) in questions {
            let question = protocol::task::Opcode::CapabilityInfo.word();
            world.write(&thread, &[question, selector]);
            assert_eq!(is_fast(world, call), on_it, "{selector:#x}");
            if on_it {
                assert_eq!(world.doing(&thread), done(answer, 0), "{selector:#x}");
            }
            world.fast = false;
            assert_eq!(world.syscall(&thread, call), done(answer, 0));
            world.fast = true;
        }
    });
}

/// Starts a thread by one of priority 10; whether that takes the fast path, and
/// who runs then.
fn start(world: &mut World, priority: u64, prepare: fn(&World, &Thread)) -> (bool, bool) {
    let task = world.task();
    let starter = world.thread(&task, 10);
    let started = world.thread(&task, 1);
    let scheduler = world.give_initial(&task, slot::SCHEDULER);
    let target = world.give_full(&task, started.header());
    // As if it had not been given to the scheduler yet.
    world.cpu.ready.remove(&started, 1);
    started.state(world.cpu).scheduled.set(false);
    prepare(world, &started);
    let run_thread = protocol::scheduler::Opcode::RunThread.word();
    write_with(world, &starter, &[run_thread, 0, 1, priority, 0], target);
    let call = Syscall::call(scheduler).tag(label::SCHEDULER, 5, 1);
    let is_fast = is_fast(world, call);
    assert_eq!(world.doing(&starter), done(0, 0));
    assert!(starter.is_runnable(world.cpu));
    (is_fast, world.runs(&started))
}

#[test]
fn a_thread_that_starts_takes_the_place_of_a_less_urgent_one_on_it() {
    for (priority, runs) in [(9, false), (10, true), (255, true)] {
        run(|world| assert_eq!(start(world, priority, |_, _| {}), (true, runs)));
    }
}

#[test]
fn a_thread_is_made_bound_and_started_on_it() {
    run(|world| {
        const SLOT: u64 = 0x180;
        let task = world.task();
        let maker = world.thread(&task, 10);
        let factory = world.factory(0x1_0000);
        let factory = world.give_full(&task, factory.header());
        let scheduler = world.give_initial(&task, slot::SCHEDULER);
        let [own, itself] = [task.header(), maker.header()].map(|it| world.give_full(&task, it));
        assert!(task.task.make_slot(world.cpu, SLOT).is_ok());
        world.write_buffers(&maker, &[ReceiveBuffer::slot_word(SLOT, false)]);
        let create = Syscall::invoke(factory, label::FACTORY, 1);
        world.write(&maker, &[ObjectType::Semaphore.word()]);
        assert!(!is_fast(world, create));
        world.write(&maker, &[ObjectType::Thread.word()]);
        assert!(is_fast(world, create));
        let answer = MessageTag::new(0, 0, 1, TagFlags::empty());
        assert_eq!(world.doing(&maker), Doing::Done(answer));
        let utcb = UTCB_AREA + 2 * SIZE as u64;
        let flags = ControlFlags::BIND_TASK.union(ControlFlags::SET_PAGER);
        let pager = Selector::new(0x55).raw();
        write_with(world, &maker, &[flags.bits(), pager, 0, 0, 0, utcb], own);
        assert!(is_fast(world, Syscall::call(SLOT).tag(label::THREAD, 6, 1)));
        assert_eq!(world.doing(&maker), done(0, 3));
        let ex_regs = protocol::thread::Opcode::ExRegs.word();
        for (slot, on_it) in [(itself, false), (SLOT, true)] {
            world.write(&maker, &[ex_regs, 0x1234, 0x5678]);
            assert_eq!(
                is_fast(world, Syscall::invoke(slot, label::THREAD, 3)),
                on_it
            );
        }
        assert_eq!(world.doing(&maker), done(0, 3));
        let run_thread = protocol::scheduler::Opcode::RunThread.word();
        write_with(world, &maker, &[run_thread, 0, 1, 20, 0], SLOT);
        assert!(is_fast(
            world,
            Syscall::call(scheduler).tag(label::SCHEDULER, 5, 1)
        ));
        assert_eq!(world.doing(&maker), done(0, 0));
        let made = world.cpu.current.get(world.cpu).expect("it runs");
        let state = made.state(world.cpu);
        assert_eq!(
            (state.context.frame.ip(), state.context.frame.sp()),
            (0x1234, 0x5678)
        );
        assert_eq!((state.pager.get(), state.priority.get()), (0x55, 20));
        assert!(maker.is_runnable(world.cpu) && made.id > maker.id);
    });
}

#[test]
fn a_thread_that_starts_with_more_to_do_does_not() {
    run(|world| {
        let stop = |world: &World, started: &Thread| started.set_stop(world.cpu, Stop::Triggered);
        assert_eq!(start(world, 20, stop), (false, false));
        world.enter(Interrupt::Spurious);
    });
}

#[test]
fn what_needs_more_than_words_does_not() {
    run(|world| {
        let (pair, gate) = ready_pair(world);
        let call = Syscall::call(gate);
        let wait = Timeout::from_micros(10);
        for call in [
            call.tag(0, 0, 1),
            call.flags(TagFlags::TRANSFER_FPU),
            call.flags(TagFlags::SCHEDULE),
            call.flags(TagFlags::ERROR),
            call.receive_timeout(wait),
            call.tag(label::KERNEL_OBJECT, 1, 0),
            Syscall::call(0x300),
            Syscall::call(u64::from(u32::MAX)),
            call.reply_slot(3),
            Syscall::send(gate),
            Syscall::wait(),
            Syscall::reply(),
            Syscall::reply_and_wait(),
        ] {
            assert!(!is_fast(world, call), "{call:?}");
        }
        assert!(world.runs(&pair.client));
        assert!(is_fast(world, call.send_timeout(Timeout::ZERO)));
    });
}

#[test]
fn a_partner_with_more_to_do_is_not_for_it() {
    let refuses = |prepare: fn(&mut World, &Pair)| {
        run(|world| {
            let (pair, gate) = ready_pair(world);
            prepare(world, &pair);
            world.enter(Interrupt::Spurious);
            assert!(world.runs(&pair.client));
            assert!(!is_fast(world, Syscall::call(gate)));
        });
    };
    refuses(|world, pair| {
        pair.server.set_stop(world.cpu, Stop::Triggered);
    });
    refuses(|world, pair| pair.client.set_alien(world.cpu, true));
    refuses(|world, pair| {
        pair.server.cancel(world.cpu);
        let wait = Syscall::wait().receive_timeout(Timeout::from_micros(1000));
        world.syscall(&pair.server, wait);
    });
    refuses(|world, pair| {
        pair.server.cancel(world.cpu);
        world.syscall(&pair.server, Syscall::wait().reply_slot(5));
    });
}

/// Where threads fault, and where their pagers have pages.
pub(super) const FAULTS: u64 = 0x100_0000;
pub(super) const PAGES: u64 = 0x200_0000;
pub(super) const PAGE: u64 = 0x1000;

pub(super) fn fault_at(address: u64) -> Fault {
    Fault::Page {
        address,
        bits: 4,
        beyond_user: false,
    }
}

/// Gives a task four pages.
pub(super) fn give_pages(world: &World, task: &TestTask, address: u64) {
    let item = MapItem::memory(TEST_MEMORY, 14, MemoryRights::RWX);
    let window = Flexpage::memory(address, 14, MemoryRights::empty());
    let mapped = world.map(&world.sigma0_task(), &task.task, item, window);
    assert_eq!(mapped, Ok(true));
}

/// Page `index` of those, to where a thread faults.
pub(super) fn item(index: u64) -> MapItem {
    MapItem {
        control: ItemControl::map(FAULTS + index * PAGE, ItemFlags::empty()),
        ..MapItem::memory(PAGES + index * PAGE, 12, MemoryRights::RW)
    }
}

/// A client that has faulted, and its pager, which runs and has pages.
fn faulting_pair(world: &mut World) -> Pair {
    let (pair, gate) = ready_pair(world);
    give_pages(world, &pair.server_task, PAGES);
    // So that there is a page table.
    give_pages(world, &pair.client_task, FAULTS + 4 * PAGE);
    pair.client.state(world.cpu).pager.set(gate);
    pair.client.state(world.cpu).context.frame.set_ip(0x4000);
    assert!(page_fault(world.cpu, &fault_at(FAULTS + 0x123)));
    pair
}

#[test]
fn a_page_fault_and_its_answer_take_the_fast_path() {
    run(|world| {
        let pair = faulting_pair(world);
        assert!(world.runs(&pair.server));
        assert_eq!(world.doing(&pair.server), done(label::PAGE_FAULT, 2));
        assert_eq!(world.label(&pair.server), 0x43);
        let words = [0, 1].map(|index| world.word(&pair.server, index));
        assert_eq!(words, [FAULTS + 0x124, 0x4000]);

        let registers = |world: &World| {
            let frame = &pair.client.state(world.cpu).context.frame;
            [frame.tag(), frame.label()]
        };
        let before = registers(world);
        world.write(&pair.server, &SendItem::Map(item(0)).words());
        assert!(is_fast(world, Syscall::reply_and_wait().tag(0, 0, 1)));
        assert!(world.runs(&pair.client));
        assert_eq!(world.doing(&pair.server), WAITS);
        assert_eq!(registers(world), before);
        let space = pair.client_task.task.memory.space();
        let (page, _) = space.page_at(FAULTS).expect("it is mapped");
        assert_eq!(page.attributes.rights, MemoryRights::RW);

        // Nor does it need an item.
        assert!(page_fault(world.cpu, &fault_at(FAULTS)));
        assert!(is_fast(world, Syscall::reply_and_wait()));
        assert!(world.runs(&pair.client));
    });
}

#[test]
fn a_fault_that_is_not_for_the_pager_does_not() {
    let refuses = |fault: Fault, prepare: fn(&mut World, &Pair)| {
        run(|world| {
            let (pair, gate) = ready_pair(world);
            pair.client.state(world.cpu).pager.set(gate);
            prepare(world, &pair);
            assert!(world.runs(&pair.client));
            assert!(!page_fault(world.cpu, &fault));
        });
    };
    let nothing = |_: &mut World, _: &Pair| {};
    refuses(Fault::FpuUnavailable, nothing);
    let beyond_user = Fault::Page {
        address: FAULTS,
        bits: 0,
        beyond_user: true,
    };
    refuses(beyond_user, nothing);
    refuses(fault_at(FAULTS), |world, pair| {
        pair.client.set_alien(world.cpu, true);
    });
    refuses(fault_at(FAULTS), |world, pair| {
        pair.client.state(world.cpu).pager.set(0x999);
    });
}

#[test]
fn an_answer_with_more_than_a_page_does_not() {
    run(|world| {
        let pair = faulting_pair(world);
        let answer = Syscall::reply_and_wait().tag(0, 0, 1);
        let grant = ItemControl::map(FAULTS, ItemFlags::GRANT);
        let order = |order| Flexpage::memory(PAGES, order, MemoryRights::RW);
        for (control, flexpage) in [
            (grant, order(12)),
            (item(0).control, order(13)),
            (item(0).control, order(12).with_rights(0)),
            (item(0).control, Flexpage::memory(0, 12, MemoryRights::RW)),
            (item(0).control, Flexpage::object(0, CapabilityRights::RW)),
            (ItemControl::map(1 << 60, ItemFlags::empty()), order(12)),
        ] {
            world.write(&pair.server, &[control.raw(), flexpage.raw()]);
            assert!(!is_fast(world, answer), "{flexpage:?}");
        }
        world.write(&pair.server, &SendItem::Map(item(0)).words());
        for answer in [
            answer.tag(-1, 0, 1),
            answer.tag(0, 0, 2),
            answer.tag(0, 62, 1),
            answer.flags(TagFlags::ERROR),
        ] {
            assert!(!is_fast(world, answer), "{answer:?}");
        }
        assert!(world.runs(&pair.server));
        assert!(is_fast(world, answer));
    });
}

#[test]
fn operations_on_objects_take_it() {
    run(|world| {
        let (pair, _) = ready_pair(world);
        let task = world.give_full(&pair.client_task, pair.client_task.header());
        let ask = |slot| {
            [
                protocol::task::Opcode::CapabilityInfo.word(),
                Selector::new(slot).raw(),
            ]
        };
        for (slot, answer) in [(task, 1), (0x300, 0)] {
            world.write(&pair.client, &ask(slot));
            assert!(is_fast(world, Syscall::call(task).tag(label::TASK, 2, 0)));
            assert_eq!(world.doing(&pair.client), done(answer, 0));
        }
        world.write(&pair.client, &[0xdead]);
        let unknown = Syscall::call(pair.to_server).tag(label::THREAD, 1, 0);
        assert!(is_fast(world, unknown));
        let no_such_operation = done(ResultCode::ENOSYS.label(), 0);
        assert_eq!(world.doing(&pair.client), no_such_operation);
    });
}

#[test]
fn a_trigger_takes_it_to_a_more_urgent_thread_and_back() {
    run(|world| {
        let task = world.task();
        let [one, other] = [3, 4].map(|priority| world.thread(&task, priority));
        let irq = world.irq();
        let slot = world.give_full(&task, irq.header());
        let words = [BindOpcode::BindThread.word(), 0x55];
        let to_other = world.give_full(&task, other.header());
        world.invoke(&one, slot, label::KERNEL_OBJECT, &words, Some(to_other));
        for _ in 0..2 {
            world.syscall(&other, Syscall::wait());
            world.enter(Interrupt::Spurious);
            assert!(world.runs(&one));
            assert!(is_fast(world, Syscall::send(slot).tag(label::IRQ, 0, 0)));
            assert!(world.runs(&other));
            assert_eq!(world.label(&other), 0x55);
            assert!(one.is_runnable(world.cpu));
        }
        // Nobody waits.
        assert!(is_fast(world, Syscall::send(slot).tag(label::IRQ, 0, 0)));
        assert!(world.runs(&other));
    });
}

#[test]
fn a_wait_takes_it_to_the_next_thread() {
    run(|world| {
        let task = world.task();
        let [one, other] = [3, 3].map(|priority| world.thread(&task, priority));
        let to_other = world.give_full(&task, other.header());
        world.enter(Interrupt::Spurious);
        let (first, next) = match world.runs(&one) {
            true => (&one, &other),
            false => (&other, &one),
        };
        let wait = Syscall::receive(to_other);
        for wait in [wait, Syscall::sleep()] {
            let wait = wait.receive_timeout(Timeout::from_micros(10));
            assert!(!is_fast(world, wait));
        }
        assert!(world.runs(first));
        assert!(is_fast(world, wait));
        assert!(world.runs(next));
        let source = Source::Thread(other.id);
        assert_eq!(world.doing(first), Doing::Waits(Waiting::Receive(source)));
        // Nobody is left who could go on.
        assert!(!is_fast(world, Syscall::wait()));
    });
}

#[test]
fn a_sleep_takes_it_to_the_next_thread() {
    run(|world| {
        let task = world.task();
        let [waker, sleeper] = [3, 4].map(|priority| world.thread(&task, priority));
        let to_sleeper = world.give_full(&task, sleeper.header());
        // That is a request to the thread itself.
        assert!(!is_fast(world, Syscall::sleep().tag(label::THREAD, 0, 0)));
        assert!(is_fast(world, Syscall::sleep()));
        assert!(world.runs(&waker));
        assert_eq!(world.doing(&sleeper), waits_for(&sleeper));
        // Nobody else's message is received.
        let send = Syscall::send(to_sleeper).send_timeout(Timeout::ZERO);
        let failed = Doing::Failed(IpcError::SEND_TIMEOUT);
        assert_eq!(world.syscall(&waker, send), failed);
        assert_eq!(world.doing(&sleeper), waits_for(&sleeper));
    });
}

#[test]
fn a_wait_for_a_message_that_is_there_does_not() {
    run(|world| {
        let pair = Pair::new(world);
        world.thread(&pair.client_task, 1);
        world.syscall(&pair.client, Syscall::call(pair.to_server));
        assert!(world.runs(&pair.server));
        assert!(!is_fast(world, Syscall::wait()));
        let wait = world.syscall(&pair.server, Syscall::wait());
        assert_eq!(wait, done(0, 0));
    });
}

#[test]
fn a_wait_that_gives_a_reply_slot_up_does_not_but_the_next_one_does() {
    run(|world| {
        let pair = Pair::new(world);
        let third = world.thread(&pair.client_task, 1);
        world.syscall(&pair.server, Syscall::wait().reply_slot(5));
        for caller in [&pair.client, &third] {
            let is_next = caller.id == third.id;
            world.syscall(caller, Syscall::call(pair.to_server));
            world.thread(&pair.client_task, 1);
            assert!(world.runs(&pair.server));
            assert_eq!(is_fast(world, Syscall::wait()), is_next);
            if !is_next {
                assert_eq!(world.syscall(&pair.server, Syscall::wait()), WAITS);
            }
        }
    });
}
