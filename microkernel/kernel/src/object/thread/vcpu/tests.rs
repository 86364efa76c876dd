//! vCPUs, with the state's fields as user mode would write them.

use l4_abi::capability::Selector;
use l4_abi::error::IpcError;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{MapItem, SendItem};
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::Operation;
use l4_abi::protocol::label;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::protocol::thread::Opcode;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::timeout::Timeout;
use l4_abi::vcpu::{StateFlags, UserTask};
use machine::context::{MESSAGE_TRAP, SYSCALL_TRAP};
use machine::event::{Fault, Source as Device};

use super::*;
use crate::object::Ref;
use crate::object::thread::{Deferred, Source, Waiting};
use crate::testing::{Doing, Syscall, TestTask, UTCB_AREA, World, run, run_on};

/// The vCPU's state, behind the UTCBs.
const AREA: u64 = UTCB_AREA + 0x3000;
const IP: u64 = 0x4000;

/// A thread that is a vCPU, and a user task that it has a capability to.
struct Setup {
    vcpu: Ref<Thread>,
    task: TestTask,
    user_task: TestTask,
    slot: u64,
}

impl Setup {
    fn new(world: &mut World) -> Self {
        let (task, user_task) = (world.task(), world.task());
        let vcpu = world.thread(&task, 10);
        let slot = world.give_full(&task, user_task.header());
        let setup = Self {
            vcpu,
            task,
            user_task,
            slot,
        };
        let done = setup.invoke(world, &[Opcode::VcpuControl.word(), AREA]);
        assert_eq!(done, Doing::Done(MessageTag::EMPTY));
        setup.vcpu.state(world.cpu).context.frame.set_ip(IP);
        setup
    }

    fn area<'cpu>(&self, world: &'cpu World) -> &'cpu VcpuArea {
        self.vcpu.vcpu_area(world.cpu).expect("it is a vCPU")
    }

    /// An operation of the thread on itself.
    fn invoke(&self, world: &mut World, words: &[u64]) -> Doing {
        world.write(&self.vcpu, words);
        let call = Syscall::new(Selector::INVALID, Operation::CALL);
        world.syscall(&self.vcpu, call.tag(label::THREAD, words.len(), 0))
    }

    fn resume(&self, world: &mut World, flags: StateFlags) -> Doing {
        self.area(world).set_saved_state(flags);
        self.invoke(world, &[Opcode::VcpuResume.word()])
    }

    fn enter_user_task(&self, world: &mut World) {
        let task = UserTask::new(Selector::new(self.slot));
        self.area(world).set_user_task(task);
        self.resume(world, StateFlags::USER_MODE | StateFlags::FPU_ENABLED);
        assert!(self.is_in_user_task(world));
        assert!(world.cpu.space.is_of(Some(&self.user_task.task)));
    }

    fn is_in_user_task(&self, world: &World) -> bool {
        let vcpu = &self.vcpu.state(world.cpu).vcpu;
        vcpu.is_in_user_task()
    }

    /// The trap number in the interrupted registers.
    fn trap(&self, world: &World) -> u64 {
        use core::sync::atomic::Ordering::Relaxed;
        /// Its place in this machine's exception frame.
        const TRAP_NUMBER: usize = 9;
        self.area(world).registers[TRAP_NUMBER].load(Relaxed)
    }

    fn takes_messages(&self, world: &World) {
        self.area(world).set_state(StateFlags::IRQ);
    }

    /// Whether the thread is at its entry point.
    fn has_entered(&self, world: &World) -> bool {
        let frame = &self.vcpu.state(world.cpu).context.frame;
        frame.argument(0) == AREA
    }
}

const LONG: Timeout = Timeout::from_micros(1 << 10);

const TRAP: Fault = Fault::Exception;
const PAGE: Fault = Fault::Page {
    address: 0x5000,
    bits: 0,
    beyond_user: true,
};

#[test]
fn all_that_happens_in_the_user_task_enters() {
    run(|world| {
        let setup = Setup::new(world);
        for fault in [TRAP, PAGE] {
            setup.enter_user_task(world);
            world.fault(&setup.vcpu, fault);
            assert!(!setup.is_in_user_task(world) && setup.has_entered(world));
            let area = setup.area(world);
            assert_eq!(area.state(), StateFlags::FPU_ENABLED);
            let saved = StateFlags::USER_MODE | StateFlags::FPU_ENABLED | StateFlags::ENTRY;
            assert_eq!(area.saved_state(), saved);
            assert!(world.cpu.space.is_of(Some(&setup.task.task)));
        }
        setup.enter_user_task(world);
        // Even if user mode has changed what it takes.
        setup.area(world).set_state(StateFlags::empty());
        world.syscall(&setup.vcpu, Syscall::wait());
        assert!(!setup.is_in_user_task(world) && setup.has_entered(world));
        assert_eq!(setup.trap(world), SYSCALL_TRAP);
    });
}

#[test]
fn system_calls_are_made_again_after_an_entry() {
    run(|world| {
        let setup = Setup::new(world);
        setup.enter_user_task(world);
        world.fault(&setup.vcpu, TRAP);
        let doing = world.syscall(&setup.vcpu, Syscall::wait());
        assert_eq!(doing, Doing::Waits(Waiting::Receive(Source::Anyone)));
    });
}

#[test]
fn a_call_enters_a_vcpu_that_is_not_running_and_is_answered() {
    run(|world| {
        let setup = Setup::new(world);
        let other = world.task();
        let caller = world.thread(&other, 10);
        let slot = world.give(&other, setup.vcpu.header(), CapabilityRights::RWS);
        setup.enter_user_task(world);
        world.write(&caller, &[7, 8]);
        world.syscall(&caller, Syscall::call(slot).tag(3, 2, 0).label(0x10));
        assert!(world.runs(&setup.vcpu) && setup.has_entered(world));
        assert!(!setup.is_in_user_task(world));
        assert_eq!(setup.trap(world), MESSAGE_TRAP);
        assert_eq!(setup.area(world).tag(), MessageTag::words_only(3, 2));
        assert_eq!([0, 1].map(|at| world.word(&setup.vcpu, at)), [7, 8]);
        world.syscall(&setup.vcpu, Syscall::reply().tag(5, 0, 0));
        assert_eq!(
            world.doing(&caller),
            Doing::Done(MessageTag::words_only(5, 0))
        );
        assert!(!setup.area(world).is_irq_pending());
    });
}

#[test]
fn an_own_interrupt_enters_when_its_system_call_is_over() {
    run(|world| {
        let setup = Setup::new(world);
        let irq = world.irq();
        let slot = world.give_full(&setup.task, irq.header());
        let own = world.give_full(&setup.task, setup.vcpu.header());
        let bound = [0x10, 0x340];
        let result = world.invoke(&setup.vcpu, slot, label::KERNEL_OBJECT, &bound, Some(own));
        assert_eq!(result, 0);
        setup.takes_messages(world);
        world.write(&setup.vcpu, &[2]);
        world.syscall(&setup.vcpu, Syscall::send(slot).tag(label::IRQ, 1, 0));
        assert!(setup.has_entered(world));
        assert_eq!(setup.trap(world), MESSAGE_TRAP);
        assert_eq!(setup.area(world).saved_state(), StateFlags::IRQ);
        assert!(!setup.area(world).is_irq_pending());
        assert!(setup.vcpu.mailbox.is_empty());
    });
}

#[test]
fn a_device_interrupts_the_user_task() {
    run(|world| {
        let setup = Setup::new(world);
        let irq = world.irq();
        let slot = world.give_full(&setup.task, irq.header());
        let own = world.give_full(&setup.task, setup.vcpu.header());
        let icu = world.give_initial(&setup.task, l4_abi::capability::slot::ICU);
        let thread = &setup.vcpu;
        world.invoke(
            thread,
            slot,
            label::KERNEL_OBJECT,
            &[0x10, 0x340],
            Some(own),
        );
        world.invoke(thread, icu, label::IRQ, &[0, 3], Some(slot));
        world.write(thread, &[4]);
        world.syscall(thread, Syscall::send(slot).tag(label::IRQ, 1, 0));
        setup.enter_user_task(world);
        world.enter(Device::Pin(3));
        assert!(setup.has_entered(world) && !setup.is_in_user_task(world));
        assert_eq!(setup.trap(world), MESSAGE_TRAP);
    });
}

/// It sees that when its wait is over.
#[test]
fn a_vcpu_that_waits_for_others_is_told_of_an_interrupt_from_another_cpu() {
    run_on(2, |world| {
        let setup = Setup::new(world);
        let irq = world.irq();
        let own = world.give_full(&setup.task, setup.vcpu.header());
        let slot = world.give_full(&setup.task, irq.header());
        let bound = [0x10, 0x340];
        world.invoke(&setup.vcpu, slot, label::KERNEL_OBJECT, &bound, Some(own));
        let other = world.task();
        let trigger = world.on(1).thread(&other, 5);
        let irq = world.give_full(&other, irq.header());
        world.on(0).syscall(&setup.vcpu, Syscall::sleep());
        let send = Syscall::send(irq).tag(label::IRQ, 0, 0);
        world.on(1).syscall(&trigger, send);
        world.deliver_all();
        world.on(0);
        assert!(setup.area(world).is_irq_pending());
        setup.vcpu.cancel(world.cpu);
        world.enter(Device::Spurious);
        setup.resume(world, StateFlags::IRQ);
        assert!(setup.has_entered(world) && !setup.area(world).is_irq_pending());
    });
}

#[test]
fn a_vcpu_whose_operation_is_on_another_cpu_is_told_of_an_interrupt_when_it_comes_home() {
    for ends in [false, true] {
        run_on(2, |world| {
            let setup = Setup::new(world);
            let irq = world.irq();
            let own = world.give_full(&setup.task, setup.vcpu.header());
            let slot = world.give_full(&setup.task, irq.header());
            let bound = [0x10, 0x340];
            world.invoke(&setup.vcpu, slot, label::KERNEL_OBJECT, &bound, Some(own));
            let other = world.task();
            let remote = world.on(1).thread(&other, 5);
            let trigger = world.on(0).thread(&other, 5);
            let irq = world.give_full(&other, irq.header());
            let slot = world.give_full(&setup.task, remote.header());
            let task = world.give_full(&setup.task, setup.task.header());
            setup.takes_messages(world);
            let page = Flexpage::object(slot, CapabilityRights::FULL).raw();
            let doing = match ends {
                true => {
                    let words = [1, UnmapMask::DELETE_OBJECT.raw(), page];
                    world.start_invocation(&setup.vcpu, task, label::TASK, &words, None)
                }
                false => {
                    let words = [Opcode::ExRegs.word(), u64::MAX, u64::MAX];
                    world.start_invocation(&setup.vcpu, slot, label::THREAD, &words, None)
                }
            };
            assert_eq!(doing, Doing::Waits(Waiting::Remote));
            let send = Syscall::send(irq).tag(label::IRQ, 0, 0);
            world.syscall(&trigger, send);
            world.deliver_all();
            assert!(setup.has_entered(world) && world.runs(&setup.vcpu));
            assert!(!setup.area(world).is_irq_pending());
        });
    }
}

#[test]
fn an_interrupt_has_entered_before_the_vcpu_goes_on_or_is_changed() {
    let control = [Opcode::VcpuControl.word(), AREA + 0x400];
    let registers = [Opcode::ExRegs.word(), u64::MAX, 0x7000];
    for operation in [None, Some(&control[..]), Some(&registers[..])] {
        for how in [Syscall::wait(), Syscall::sleep().receive_timeout(LONG)] {
            run(|world| {
                let setup = Setup::new(world);
                let irq = world.irq();
                let own = world.give_full(&setup.task, setup.vcpu.header());
                let slot = world.give_full(&setup.task, irq.header());
                let bound = [0x10, 0x340];
                world.invoke(&setup.vcpu, slot, label::KERNEL_OBJECT, &bound, Some(own));
                setup.enter_user_task(world);
                setup.area(world).set_state(StateFlags::IRQ);
                let other = world.task();
                let trigger = world.thread(&other, 11);
                let [irq, vcpu] = [irq.header(), setup.vcpu.header()]
                    .map(|header| world.give_full(&other, header));
                world.syscall(&trigger, Syscall::send(irq).tag(label::IRQ, 0, 0));
                assert!(!setup.is_in_user_task(world));
                let deferred = |world: &World| setup.vcpu.state(world.cpu).deferred.get();
                // Only the fast path puts it off.
                if cfg!(feature = "fast-paths") {
                    assert_eq!(deferred(world), Deferred::Entry);
                }
                assert_eq!(setup.trap(world), MESSAGE_TRAP);
                if let Some(words) = operation {
                    assert_eq!(world.invoke(&trigger, vcpu, label::THREAD, words, None), 0);
                    assert!(setup.has_entered(world));
                }
                world.syscall(&trigger, how);
                assert!(world.runs(&setup.vcpu));
                assert_eq!(deferred(world), Deferred::Nothing);
                assert!(setup.has_entered(world));
                let frame = &setup.vcpu.state(world.cpu).context.frame;
                let is_changed = operation == Some(&registers[..]);
                assert_eq!(frame.sp() == 0x7000, is_changed);
            });
        }
    }
}

/// Memory of the task that an unmap takes a while for.
const UNMAPPED: u64 = 0x1000_0000;
const UNMAPPED_ORDER: u32 = 19;

/// A vCPU that takes messages pauses in an unmap; a thread of this priority that can send to it, and its
/// slot for that.
fn pausing_unmap(world: &mut World, setup: &Setup, priority: u8) -> (Ref<Thread>, u64) {
    world.give_memory(&setup.task, UNMAPPED);
    let task = world.give_full(&setup.task, setup.task.header());
    let other = world.task();
    let sender = world.thread(&other, priority);
    let slot = world.give(&other, setup.vcpu.header(), CapabilityRights::RWS);
    setup.takes_messages(world);
    world.cpu.kernel.platform.chip.set_pending(true);
    let all = Flexpage::memory(UNMAPPED, UNMAPPED_ORDER, MemoryRights::RWX).raw();
    let words = [1, UnmapMask::ALL_SPACES.raw(), all];
    world.start_invocation(&setup.vcpu, task, label::TASK, &words, None);
    assert!(world.cpu.unfinished.get());
    (sender, slot)
}

#[test]
fn a_message_that_comes_while_an_operation_pauses_enters_when_that_is_over() {
    run(|world| {
        let setup = Setup::new(world);
        let (sender, slot) = pausing_unmap(world, &setup, 10);
        world.cpu.kernel.platform.chip.set_pending(false);
        world.syscall(&sender, Syscall::send(slot));
        while !setup.has_entered(world) {
            assert!(!world.runs(&setup.vcpu), "the message waits");
            world.enter(Device::Spurious);
        }
        assert_eq!(setup.trap(world), MESSAGE_TRAP);
        assert_eq!(world.doing(&sender), Doing::Done(MessageTag::EMPTY));
        assert!(setup.task.task.memory.space().page_at(UNMAPPED).is_none());
    });
}

#[test]
fn a_message_that_comes_while_a_fault_is_reported_enters_when_that_is_answered() {
    run(|world| {
        let setup = Setup::new(world);
        let other = world.task();
        let (pager, sender) = (world.thread(&other, 10), world.thread(&other, 10));
        let gate = world.gate(0x40, &pager);
        let slot = world.give(&setup.task, gate.header(), CapabilityRights::RWS);
        let state = setup.vcpu.state(world.cpu);
        state.pager.set(slot);
        state.exception_handler.set(slot);
        let slot = world.give(&other, setup.vcpu.header(), CapabilityRights::RWS);
        for fault in [PAGE, TRAP] {
            setup.takes_messages(world);
            world.syscall(&pager, Syscall::wait());
            world.fault(&setup.vcpu, fault);
            let doing = world.syscall(&sender, Syscall::send(slot));
            assert!(matches!(doing, Doing::Waits(_)));
            assert!(!setup.has_entered(world) && setup.area(world).is_irq_pending());
            world.syscall(&pager, Syscall::reply());
            assert!(setup.has_entered(world) && !setup.area(world).is_irq_pending());
            assert_eq!(world.doing(&sender), Doing::Done(MessageTag::EMPTY));
            assert_eq!(setup.area(world).saved_state(), StateFlags::IRQ);
            setup.vcpu.state(world.cpu).context.frame.set_argument(0, 0);
        }
    });
}

#[test]
fn a_message_that_comes_while_an_operation_pauses_enters_when_that_is_cancelled() {
    run(|world| {
        let setup = Setup::new(world);
        let (sender, slot) = pausing_unmap(world, &setup, 11);
        world.syscall(&sender, Syscall::send(slot));
        assert!(world.cpu.unfinished.get() && !setup.has_entered(world));
        setup.vcpu.cancel(world.cpu);
        world.cpu.kernel.platform.chip.set_pending(false);
        world.enter(Device::Spurious);
        assert!(setup.has_entered(world));
        assert_eq!(world.doing(&sender), Doing::Done(MessageTag::EMPTY));
        let last = UNMAPPED + (1 << UNMAPPED_ORDER) - 0x1000;
        assert!(setup.task.task.memory.space().page_at(last).is_some());
    });
}

#[test]
fn a_message_that_comes_while_a_fault_is_reported_enters_when_its_exception_is_cancelled() {
    run(|world| {
        let setup = Setup::new(world);
        let other = world.task();
        let (pager, sender) = (world.thread(&other, 11), world.thread(&other, 10));
        let gate = world.gate(0x40, &pager);
        let slot = world.give(&setup.task, gate.header(), CapabilityRights::RWS);
        setup.vcpu.state(world.cpu).pager.set(slot);
        let slot = world.give(&other, setup.vcpu.header(), CapabilityRights::RWS);
        setup.takes_messages(world);
        world.syscall(&pager, Syscall::wait());
        let fault = Fault::Page {
            address: 0x5000,
            bits: 0,
            beyond_user: false,
        };
        world.fault(&setup.vcpu, fault);
        world.syscall(&sender, Syscall::send(slot));
        world.syscall(&pager, Syscall::reply().tag(-1, 0, 0));
        assert!(world.runs(&pager) && !setup.has_entered(world));
        setup.vcpu.cancel(world.cpu);
        world.syscall(&pager, Syscall::sleep());
        assert!(setup.has_entered(world));
        assert_eq!(world.doing(&sender), Doing::Done(MessageTag::EMPTY));
    });
}

#[test]
fn a_message_waits_if_the_flag_goes_before_it_can_enter() {
    run(|world| {
        let setup = Setup::new(world);
        let other = world.task();
        let sender = world.thread(&other, 10);
        let slot = world.give(&other, setup.vcpu.header(), CapabilityRights::RWS);
        // Not taken.
        let doing = world.syscall(&sender, Syscall::send(slot));
        assert_eq!(doing, Doing::Waits(Waiting::Send));
        assert!(setup.area(world).is_irq_pending());
        // Setting the flag fetches nothing, a resume with it does.
        setup.takes_messages(world);
        world.enter(Device::Spurious);
        assert!(!setup.has_entered(world));
        setup.resume(world, StateFlags::IRQ);
        assert!(setup.has_entered(world));
        assert!(!setup.area(world).is_irq_pending());
        assert_eq!(world.doing(&sender), Doing::Done(MessageTag::EMPTY));
    });
}

#[test]
fn a_resume_waits_for_its_items_and_goes_on_with_the_same_task() {
    const FROM: u64 = 0x1000_0000;
    const ORDER: u32 = 19;
    run(|world| {
        let setup = Setup::new(world);
        world.give_memory(&setup.task, FROM);
        let arrived = || {
            let space = setup.user_task.task.memory.space();
            let pages = (FROM..FROM + (1 << ORDER)).step_by(0x1000);
            pages.filter(|page| space.page_at(*page).is_some()).count()
        };
        let item = SendItem::Map(MapItem::memory(FROM, ORDER, MemoryRights::RWX)).words();
        let control = item[0] | FROM;
        let area = setup.area(world);
        area.set_user_task(UserTask::new(Selector::new(setup.slot)));
        area.set_saved_state(StateFlags::USER_MODE | StateFlags::FPU_ENABLED);
        world.cpu.kernel.platform.chip.set_pending(true);
        // The first item is nothing.
        let words = [Opcode::VcpuResume.word(), 0, 0, control, item[1]];
        world.write(&setup.vcpu, &words);
        let call = Syscall::new(Selector::INVALID, Operation::CALL);
        world.syscall(&setup.vcpu, call.tag(label::THREAD, 1, 2));
        assert!(world.cpu.unfinished.get());
        assert!(arrived() > 0 && arrived() < 128, "{} pages", arrived());
        assert!(!setup.is_in_user_task(world));
        let before = arrived();
        world.enter(Device::Spurious);
        assert!(arrived() > before);
        world.cpu.kernel.platform.chip.set_pending(false);
        world.enter(Device::Spurious);
        assert_eq!(arrived(), 128);
        assert!(setup.is_in_user_task(world));
    });
}

#[test]
fn an_announcement_without_sender_is_a_timeout() {
    run(|world| {
        let setup = Setup::new(world);
        setup.area(world).set_irq_pending(true);
        setup.resume(world, StateFlags::IRQ);
        assert!(setup.has_entered(world));
        assert!(setup.area(world).tag().has_error());
        assert!(setup.area(world).is_irq_pending());
        let error = setup.vcpu.utcb(world.cpu).word(123);
        assert_eq!(IpcError::from_word(error), IpcError::RECEIVE_TIMEOUT);
    });
}

#[test]
fn a_cancelled_sender_takes_its_announcement_back() {
    run(|world| {
        let setup = Setup::new(world);
        let other = world.task();
        let sender = world.thread(&other, 10);
        let slot = world.give(&other, setup.vcpu.header(), CapabilityRights::RWS);
        world.syscall(&sender, Syscall::send(slot));
        assert!(setup.area(world).is_irq_pending());
        sender.cancel(world.cpu);
        world.enter(Device::Spurious);
        assert!(!setup.area(world).is_irq_pending());
    });
}

#[test]
fn a_thread_that_dies_in_its_user_task_lets_go_of_it() {
    run(|world| {
        let setup = Setup::new(world);
        setup.enter_user_task(world);
        world.destroy(setup.vcpu.header());
        assert!(setup.vcpu.state(world.cpu).vcpu.user_task().is_empty());
        assert_eq!(world.doing(&setup.vcpu), Doing::Dead);
    });
}

#[test]
fn a_user_task_stays_while_it_is_used() {
    run(|world| {
        let setup = Setup::new(world);
        setup.enter_user_task(world);
        world.destroy(setup.user_task.header());
        assert!(setup.is_in_user_task(world));
        world.fault(&setup.vcpu, PAGE);
        assert!(setup.has_entered(world));
    });
}
