//! Guests on a machine whose runs end as the test says.

use core::sync::atomic::Ordering::Relaxed;

use l4_abi::capability::Selector;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{MapItem, SendItem};
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::Operation;
use l4_abi::protocol::label;
use l4_abi::protocol::thread::{Opcode, VCPU_EXTENDED};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::vcpu::UserTask;
use machine::context::MESSAGE_TRAP;
use machine::event::Source as Device;
use machine::vm::{INTERRUPT, INVALID, PENDING};

use super::*;
use crate::object::Ref;
use crate::testing::{Doing, Syscall, TestTask, UTCB_AREA, World, run};

/// The vCPU's state, behind the UTCBs: a page.
const AREA: u64 = UTCB_AREA + 0x3000;
const IP: u64 = 0x4000;
const FLAGS: StateFlags = StateFlags::USER_MODE.union(StateFlags::FPU_ENABLED);

/// A thread that is an extended vCPU, with a virtual machine.
struct Setup {
    task: TestTask,
    vcpu: Ref<Thread>,
    vm: Ref<Task>,
}

impl Setup {
    fn new(world: &mut World, opcode: u64) -> Self {
        let task = world.task();
        let vcpu = world.thread(&task, 10);
        let Ok(vm) = Task::create_vm(world.cpu, world.quota) else {
            panic!("a virtual machine is refused");
        };
        let slot = world.give_full(&task, vm.header());
        let setup = Self { task, vcpu, vm };
        let done = setup.invoke(world, &[opcode, AREA]);
        assert_eq!(done, Doing::Done(MessageTag::EMPTY));
        let area = setup.area(world);
        area.set_user_task(UserTask::new(Selector::new(slot)));
        area.set_saved_state(FLAGS);
        setup.vcpu.state(world.cpu).context.frame.set_ip(IP);
        setup
    }

    fn extended(world: &mut World) -> Self {
        Self::new(world, Opcode::VcpuControl.word() | VCPU_EXTENDED)
    }

    fn area<'cpu>(&self, world: &'cpu World) -> &'cpu VcpuArea {
        self.vcpu.vcpu_area(world.cpu).expect("it is a vCPU")
    }

    /// How runs end from now on.
    fn set_end(&self, world: &World, end: u64) {
        let extended = self.vcpu.state(world.cpu).vcpu.extended.get();
        let extended = extended.expect("it is extended").get(world.cpu);
        vm::set_end(extended, end);
    }

    fn invoke(&self, world: &mut World, words: &[u64]) -> Doing {
        world.write(&self.vcpu, words);
        let call = Syscall::new(Selector::INVALID, Operation::CALL);
        world.syscall(&self.vcpu, call.tag(label::THREAD, words.len(), 0))
    }

    fn resume(&self, world: &mut World) -> Doing {
        self.invoke(world, &[Opcode::VcpuResume.word()])
    }

    /// Somebody sends to it, and waits.
    fn send(&self, world: &mut World) -> Ref<Thread> {
        let other = world.task();
        let sender = world.thread(&other, 10);
        let slot = world.give(&other, self.vcpu.header(), CapabilityRights::RWS);
        world.syscall(&sender, Syscall::send(slot));
        sender
    }
}

fn result(label: i64) -> Doing {
    Doing::Done(MessageTag::label_only(label))
}

const REFUSED: Doing = Doing::Done(MessageTag::label_only(ResultCode::EINVAL.label()));

#[test]
fn an_exit_returns_from_the_resume() {
    run(|world| {
        let setup = Setup::extended(world);
        // The second one takes the short way.
        for _ in 0..2 {
            assert_eq!(setup.resume(world), result(RESUME_EXIT));
            assert_eq!(setup.area(world).state(), StateFlags::FPU_ENABLED);
            assert_eq!(setup.area(world).saved_state(), FLAGS);
            assert!(!setup.vcpu.state(world.cpu).vcpu.is_in_user_task());
        }
    });
}

#[test]
fn a_wrong_state_is_refused() {
    run(|world| {
        let setup = Setup::extended(world);
        for _ in 0..2 {
            setup.set_end(world, INVALID);
            assert_eq!(setup.resume(world), REFUSED);
            assert_eq!(setup.area(world).state(), StateFlags::FPU_ENABLED);
        }
    });
}

#[test]
fn only_extended_vcpus_with_the_fpu_run_guests() {
    run(|world| {
        let setup = Setup::new(world, Opcode::VcpuControl.word());
        assert_eq!(setup.resume(world), REFUSED);
    });
    run(|world| {
        let setup = Setup::extended(world);
        setup.area(world).set_saved_state(StateFlags::USER_MODE);
        assert_eq!(setup.resume(world), REFUSED);
    });
}

#[test]
fn an_interrupted_guest_is_resumed_by_the_same_system_call() {
    run(|world| {
        let setup = Setup::extended(world);
        for _ in 0..3 {
            setup.set_end(world, INTERRUPT);
            setup.resume(world);
            let frame = &setup.vcpu.state(world.cpu).context.frame;
            // Back at the instruction, and no result.
            assert!(frame.ip() < IP);
            assert_eq!(frame.tag(), MessageTag::words_only(label::THREAD, 1).raw());
            frame.set_ip(IP);
            assert!(world.runs(&setup.vcpu));
        }
        setup.set_end(world, 0);
        assert_eq!(setup.resume(world), result(RESUME_EXIT));
    });
}

#[test]
fn a_resume_that_has_paused_leaves_the_kernel_before_its_guest_runs() {
    const FROM: u64 = 0x1000_0000;
    const ORDER: u32 = 19;
    run(|world| {
        let setup = Setup::extended(world);
        world.give_memory(&setup.task, FROM);
        let item = SendItem::Map(MapItem::memory(FROM, ORDER, MemoryRights::RWX)).words();
        // Who is ready too needs the timer.
        let other = world.thread(&setup.task, 10);
        scheduling::make_ready(world.cpu, &other);
        let chip = &world.cpu.kernel.platform.chip;
        chip.set_pending(true);
        let words = [Opcode::VcpuResume.word(), item[0] | FROM, item[1]];
        world.write(&setup.vcpu, &words);
        let call = Syscall::new(Selector::INVALID, Operation::CALL);
        world.syscall(&setup.vcpu, call.tag(label::THREAD, 1, 1));
        assert!(world.cpu.unfinished.get());
        chip.set_pending(false);
        world.cpu.kernel.platform.timer.stop();
        world.enter(Device::Timer);
        let frame = &setup.vcpu.state(world.cpu).context.frame;
        assert!(frame.ip() < IP);
        assert_eq!(frame.tag(), MessageTag::words_only(label::THREAD, 1).raw());
        let space = setup.vm.memory.space();
        let mut pages = (FROM..FROM + (1 << ORDER)).step_by(0x1000);
        assert!(pages.all(|page| space.page_at(page).is_some()));
        assert!(world.cpu.kernel.platform.timer.deadline().is_some());
        frame.set_ip(IP);
        assert_eq!(setup.resume(world), result(RESUME_EXIT));
    });
}

#[test]
fn a_message_that_waits_is_told_until_it_is_received() {
    run(|world| {
        let setup = Setup::extended(world);
        let sender = setup.send(world);
        for _ in 0..3 {
            assert_eq!(setup.resume(world), result(RESUME_PENDING));
            let extended = setup.vcpu.state(world.cpu).vcpu.extended.get();
            let extended = extended.expect("it is extended").get(world.cpu);
            assert_eq!(vm::end(extended), PENDING);
        }
        world.syscall(&setup.vcpu, Syscall::wait());
        assert_eq!(world.doing(&sender), Doing::Done(MessageTag::EMPTY));
        world.syscall(&sender, Syscall::wait());
        assert_eq!(setup.resume(world), result(RESUME_EXIT));
    });
}

#[test]
fn a_message_enters_if_the_flag_says_so() {
    run(|world| {
        let setup = Setup::extended(world);
        setup.send(world);
        let flags = FLAGS | StateFlags::IRQ;
        setup.area(world).set_saved_state(flags);
        setup.resume(world);
        let frame = &setup.vcpu.state(world.cpu).context.frame;
        assert_eq!(frame.argument(0), AREA);
        /// Its place in this machine's exception frame.
        const TRAP_NUMBER: usize = 9;
        let registers = &setup.area(world).registers;
        assert_eq!(registers[TRAP_NUMBER].load(Relaxed), MESSAGE_TRAP);
        assert_eq!(setup.area(world).saved_state(), flags);
    });
}

#[test]
fn no_thread_can_be_in_a_virtual_machine() {
    run(|world| {
        let setup = Setup::extended(world);
        let area = Flexpage::memory(UTCB_AREA, 12, MemoryRights::RW);
        let added = setup.vm.memory.add_kernel_user_memory(world.cpu, area);
        assert!(matches!(added, Some(Err(_))));
        let memory = &setup.vm.memory;
        let utcb = memory.find_shared::<machine::utcb::Utcb>(world.cpu, UTCB_AREA);
        assert!(utcb.is_none());
    });
}
