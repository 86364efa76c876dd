//! Page faults and exceptions, as their handlers see them (abi/03 §6, §7).

use l4_abi::capability::Selector;
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::Operation;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::Timeout;
use l4_abi::utcb::BUFFER_DESCRIPTOR_OFFSET;
use machine::context::SYSCALL_TRAP;

use super::*;
use crate::object::Ref;
use crate::object::thread::Life;
use crate::testing::{Doing, Syscall, TestTask, World, run};

/// A thread, and another that is its pager and exception handler.
struct Setup {
    user: Ref<Thread>,
    user_task: TestTask,
    handler: Ref<Thread>,
    handler_task: TestTask,
}

const LABEL: u64 = 0x7770;

impl Setup {
    fn new(world: &mut World) -> Self {
        let (user_task, handler_task) = (world.task(), world.task());
        let setup = Self {
            user: world.thread(&user_task, 10),
            handler: world.thread(&handler_task, 10),
            user_task,
            handler_task,
        };
        let gate = world.gate(LABEL, &setup.handler);
        let slot = world.give(&setup.user_task, gate.header(), CapabilityRights::RWS);
        let state = setup.user.state(world.cpu);
        state.pager.set(slot);
        state.exception_handler.set(slot);
        state.context.frame.set_ip(0x4000);
        state.context.frame.set_sp(0x8000);
        setup
    }

    fn wait(&self, world: &mut World) {
        let doing = world.syscall(&self.handler, Syscall::wait());
        assert_eq!(doing, Doing::Waits(Waiting::Receive(Source::Anyone)));
    }

    fn is_fault_of_user(&self, world: &World, address: u64) {
        let tag = MessageTag::words_only(label::PAGE_FAULT, 2);
        assert_eq!(world.doing(&self.handler), Doing::Done(tag));
        assert_eq!(world.label(&self.handler), LABEL | 3);
        assert_eq!(world.word(&self.handler, 0), address);
        assert_eq!(world.word(&self.handler, 1), 0x4000);
    }

    fn is_exception_of_user(&self, world: &World) {
        let Doing::Done(tag) = world.doing(&self.handler) else {
            panic!("the handler got nothing");
        };
        assert_eq!(tag.label(), label::EXCEPTION);
        assert_eq!(tag.words(), EXCEPTION_WORDS);
    }

    fn ip(&self, world: &World) -> u64 {
        self.user.state(world.cpu).context.frame.ip()
    }
}

const FAULT: Fault = Fault::Page {
    address: 0x1_2345,
    bits: 2,
    beyond_user: false,
};
const TRAP: Fault = Fault::Exception;

/// Where the instruction pointer is in this machine's exception frame.
const IP_WORD: usize = 6;
/// The trap number, and the error code behind it.
const TRAP_WORD: usize = 9;

#[test]
fn a_page_fault_is_a_call_to_the_pager() {
    run(|world| {
        let setup = Setup::new(world);
        setup.wait(world);
        world.write(&setup.user, &[0xaaa, 0xbbb]);
        world.write_buffers(&setup.user, &[0x111, 0x222]);
        world.fault(&setup.user, FAULT);
        setup.is_fault_of_user(world, 0x1_2342);
        world.syscall(&setup.handler, Syscall::reply());
        assert!(setup.user.is_runnable(world.cpu));
        assert_eq!(setup.ip(world), 0x4000, "the instruction is repeated");
        // Its own message is as before.
        let utcb = setup.user.utcb(world.cpu);
        let buffers = BUFFER_DESCRIPTOR_OFFSET / 8;
        let words = [0, 1, buffers, buffers + 1, buffers + 2].map(|index| utcb.word(index));
        assert_eq!(words, [0xaaa, 0xbbb, 0, 0x111, 0x222]);
    });
}

#[test]
fn a_fault_that_the_pager_refuses_is_an_exception() {
    run(|world| {
        let setup = Setup::new(world);
        setup.wait(world);
        world.fault(&setup.user, FAULT);
        let call = Syscall::reply_and_wait().tag(-1, 0, 0);
        world.syscall(&setup.handler, call);
        setup.is_exception_of_user(world);
    });
}

#[test]
fn a_thread_without_a_pager_is_killed() {
    run(|world| {
        let setup = Setup::new(world);
        setup.user.state(world.cpu).pager.set(0x999);
        assert_eq!(world.fault(&setup.user, FAULT), Doing::Dead);
        let slot = world.give_full(&setup.handler_task, setup.user.header());
        let gone = Doing::Failed(IpcError::NOT_EXISTENT);
        assert_eq!(world.syscall(&setup.handler, Syscall::send(slot)), gone);
    });
}

#[test]
fn an_exception_carries_the_registers_both_ways() {
    run(|world| {
        let setup = Setup::new(world);
        setup.wait(world);
        world.write(&setup.user, &[1, 2, 3]);
        world.fault(&setup.user, TRAP);
        setup.is_exception_of_user(world);
        assert_eq!(world.word(&setup.handler, IP_WORD), 0x4000);
        let utcb = setup.handler.utcb(world.cpu);
        utcb.set_word(IP_WORD, 0x5000);
        let reply = Syscall::reply().tag(0, EXCEPTION_WORDS, 0);
        world.syscall(&setup.handler, reply);
        assert_eq!(setup.ip(world), 0x5000);
        let words = [0, 1, 2].map(|index| world.word(&setup.user, index));
        assert_eq!(words, [1, 2, 3], "the message registers are untouched");
    });
}

#[test]
fn a_short_answer_leaves_the_registers_alone() {
    run(|world| {
        let setup = Setup::new(world);
        setup.wait(world);
        world.fault(&setup.user, TRAP);
        setup.handler.utcb(world.cpu).set_word(IP_WORD, 0x5000);
        let reply = Syscall::reply().tag(0, EXCEPTION_WORDS - 1, 0);
        world.syscall(&setup.handler, reply);
        assert_eq!(setup.ip(world), 0x4000);
        assert!(setup.user.is_runnable(world.cpu));
    });
}

#[test]
fn an_exception_without_a_handler_waits_until_it_is_cancelled() {
    run(|world| {
        let setup = Setup::new(world);
        setup.user.state(world.cpu).exception_handler.set(0x999);
        let forever = Doing::Waits(Waiting::Receive(Source::Nobody));
        assert_eq!(world.fault(&setup.user, TRAP), forever);
        exchange_registers(world, &setup, 0, 0x6000);
        assert_eq!(world.doing(&setup.user), forever);
        assert_eq!(setup.ip(world), 0x4000);
        exchange_registers(world, &setup, 0x1_0000, 0x6000);
        assert!(setup.user.is_runnable(world.cpu));
        assert_eq!(setup.ip(world), 0x6000);
    });
}

#[test]
fn the_end_of_the_pager_repeats_the_fault() {
    run(|world| {
        let setup = Setup::new(world);
        setup.wait(world);
        world.fault(&setup.user, FAULT);
        world.destroy(setup.handler.header());
        assert!(setup.user.is_runnable(world.cpu));
        assert_eq!(setup.user.state(world.cpu).life.get(), Life::Alive);
    });
}

#[test]
fn a_triggered_exception_comes_after_what_is_put_off() {
    run(|world| {
        let setup = Setup::new(world);
        // The user waits in a receive phase and is triggered there.
        world.syscall(&setup.user, Syscall::wait());
        setup.wait(world);
        exchange_registers(world, &setup, 0x2_0000, u64::MAX);
        let waits = Doing::Waits(Waiting::Receive(Source::Anyone));
        assert_eq!(world.doing(&setup.user), waits);
        let to_user = world.give_full(&setup.handler_task, setup.user.header());
        let other = world.thread(&setup.handler_task, 10);
        world.write(&setup.user, &[0]);
        world.write(&other, &[0x77]);
        world.syscall(&other, Syscall::send(to_user).tag(0, 1, 0));
        setup.is_exception_of_user(world);
        assert_eq!(world.word(&setup.user, 0), 0x77, "it got the message");
    });
}

#[test]
fn a_triggered_exception_of_a_new_thread_comes_first() {
    run(|world| {
        let setup = Setup::new(world);
        setup.wait(world);
        exchange_registers(world, &setup, 0x2_0000, 0x9000);
        setup.is_exception_of_user(world);
        assert_eq!(world.word(&setup.handler, IP_WORD), 0x9000);
    });
}

#[test]
fn an_alien_may_make_a_system_call_when_its_handler_allows_it() {
    run(|world| {
        let setup = Setup::new(world);
        setup.user.set_alien(world.cpu, true);
        setup.wait(world);
        world.syscall(&setup.user, Syscall::sleep());
        setup.is_exception_of_user(world);
        let utcb = setup.handler.utcb(world.cpu);
        assert!(utcb.word(IP_WORD) < 0x4000, "it is at the instruction");
        let trap = |world: &World| {
            let utcb = setup.handler.utcb(world.cpu);
            (utcb.word(TRAP_WORD), utcb.word(TRAP_WORD + 1))
        };
        assert_eq!(trap(world), (SYSCALL_TRAP, 0));
        let answer = Syscall::reply_and_wait().tag(0, EXCEPTION_WORDS, 0);
        let allow = answer.tag(ALLOW_SYSCALL, EXCEPTION_WORDS, 0);
        world.syscall(&setup.handler, allow);
        let yields = Syscall::sleep().receive_timeout(Timeout::from_micros(5));
        let doing = world.syscall(&setup.user, yields);
        assert_eq!(
            doing,
            Doing::Waits(Waiting::Receive(Source::Thread(setup.user.id)))
        );
        // When it is done, the handler is told once more.
        world.advance(5);
        setup.is_exception_of_user(world);
        assert_eq!(trap(world), (SYSCALL_TRAP, 1));
        world.syscall(&setup.handler, answer);
        assert!(setup.user.is_runnable(world.cpu));
        world.syscall(&setup.user, Syscall::sleep());
        setup.is_exception_of_user(world);
        assert_eq!(trap(world), (SYSCALL_TRAP, 0));
    });
}

/// A third thread performs ex_regs on the user.
fn exchange_registers(world: &mut World, setup: &Setup, flags: u64, ip: u64) {
    let task = world.task();
    let third = world.thread(&task, 10);
    let slot = world.give(&task, setup.user.header(), CapabilityRights::READ);
    let words = [1 | flags, ip, u64::MAX];
    world.write(&third, &words);
    let call = Syscall::new(Selector::new(slot), Operation::CALL);
    world.syscall(&third, call.tag(label::THREAD, words.len(), 0));
    world.destroy(third.header());
}

#[test]
fn a_fault_that_another_one_displaces_in_the_reply_slot_is_reported_again() {
    for fault in [FAULT, TRAP] {
        run(|world| {
            let setup = Setup::new(world);
            let other = world.thread(&setup.user_task, 10);
            let (of_user, of_other) = (setup.user.state(world.cpu), other.state(world.cpu));
            of_other.pager.set(of_user.pager.get());
            (of_other.exception_handler).set(of_user.exception_handler.get());
            setup.wait(world);
            world.fault(&setup.user, fault);
            // The handler has not answered, and waits with the same slot.
            setup.wait(world);
            world.fault(&other, fault);
            assert!(
                setup.user.is_runnable(world.cpu),
                "it makes the fault again"
            );
            world.fault(&setup.user, fault);
            assert_eq!(world.doing(&setup.user), Doing::Waits(Waiting::Send));
            for user in [&other, &setup.user] {
                world.syscall(&setup.handler, Syscall::reply());
                assert!(user.is_runnable(world.cpu));
                world.syscall(&setup.handler, Syscall::wait());
            }
        });
    }
}
