//! What holds for objects of every kind.

mod pauses;

use super::*;
use l4_abi::rights::CapabilityRights;

/// The slots that name an object are the ones on its list, and it counts
/// those that count.
pub(crate) fn check(cpu: &Cpu, header: &Header, slots: Vec<CapabilityRights>) {
    let common = header.common();
    let list = common.capabilities.lock();
    let mut listed = 0;
    let mut next = list.front(cpu);
    while let Some(capability) = next {
        listed += 1;
        let entry = capability.get(cpu).expect("a listed slot is full");
        assert!(entry.object.is(header), "a slot is on another's list");
        next = list.after(cpu, capability);
    }
    assert_eq!(listed, slots.len(), "slots of {:?}", common.kind);
    let counted = |rights: &&CapabilityRights| rights.contains(CapabilityRights::COUNTED);
    // Only gates can be made to count wrong (dec_refcnt).
    if common.kind != Kind::IpcGate {
        let counted = slots.iter().filter(counted).count();
        assert_eq!(common.add_counted(0), counted as i64, "{:?}", common.kind);
    }
    assert!(!common.is_doomed() || slots.is_empty(), "{:?}", common.kind);
}

mod destruction {
    //! The end of an object while others wait for it in every way.

    use l4_abi::capability::{Selector, slot};
    use l4_abi::error::IpcError;
    use l4_abi::operation::Operation;
    use l4_abi::protocol::task::UnmapMask;
    use l4_abi::protocol::{label, thread::Opcode};
    use l4_abi::rights::CapabilityRights;
    use l4_abi::timeout::Timeout;
    use machine::event::{Fault, Source};

    use crate::object::Ref;
    use crate::object::thread::{Thread, Waiting};
    use crate::testing::{Doing, Syscall, TestTask, World, run};

    const PAGE_FAULT: Fault = Fault::Page {
        address: 0x5000,
        bits: 0,
        beyond_user: false,
    };

    /// A thread in each state that it can be in, with a server, a gate and a
    /// semaphore that it may be waiting for.
    struct Scene {
        task: TestTask,
        victim: Ref<Thread>,
        server: Ref<Thread>,
        to_server: u64,
        to_victim: u64,
        at_gate: u64,
        at_semaphore: u64,
    }

    impl Scene {
        fn new(world: &mut World) -> Self {
            let task = world.task();
            let victim_task = world.task();
            let (victim, server) = (world.thread(&victim_task, 10), world.thread(&task, 10));
            let (gate, semaphore) = (world.unbound_gate(), world.semaphore());
            let to_server = world.give_full(&victim_task, server.header());
            victim.state(world.cpu).pager.set(to_server);
            Self {
                to_server,
                to_victim: world.give_full(&task, victim.header()),
                at_gate: world.give_full(&victim_task, gate.header()),
                at_semaphore: world.give_full(&victim_task, semaphore.header()),
                task: victim_task,
                victim,
                server,
            }
        }
    }

    type State = fn(&mut World, &Scene);

    const STATES: [(&str, State); 12] = [
        ("ready", |_, _| {}),
        ("running", |world, scene| {
            world.syscall(&scene.server, Syscall::sleep());
        }),
        ("sending", |world, scene| {
            world.syscall(&scene.victim, Syscall::send(scene.to_server));
        }),
        ("sending with a timeout", |world, scene| {
            let call = Syscall::call(scene.to_server).send_timeout(Timeout::from_micros(500));
            world.syscall(&scene.victim, call);
        }),
        ("receiving with a timeout", |world, scene| {
            let wait = Syscall::wait().receive_timeout(Timeout::from_micros(500));
            world.syscall(&scene.victim, wait);
        }),
        ("calling", |world, scene| {
            world.syscall(&scene.server, Syscall::wait());
            world.syscall(&scene.victim, Syscall::call(scene.to_server));
        }),
        ("called through an explicit slot", |world, scene| {
            world.syscall(&scene.server, Syscall::wait().reply_slot(9));
            world.syscall(&scene.victim, Syscall::call(scene.to_server));
        }),
        ("with a caller", |world, scene| {
            world.syscall(&scene.victim, Syscall::wait());
            world.syscall(&scene.server, Syscall::call(scene.to_victim));
        }),
        ("with a sender", |world, scene| {
            world.syscall(&scene.server, Syscall::send(scene.to_victim));
        }),
        ("at a gate", |world, scene| {
            world.syscall(&scene.victim, Syscall::send(scene.at_gate));
        }),
        ("at a semaphore", |world, scene| {
            let down = Syscall::invoke(scene.at_semaphore, label::SEMAPHORE, 1);
            let down = down.receive_timeout(Timeout::from_micros(500));
            world.syscall(&scene.victim, down);
        }),
        ("at its pager", |world, scene| {
            world.fault(&scene.victim, PAGE_FAULT);
        }),
    ];

    #[test]
    fn a_thread_ends_in_every_state() {
        for (name, state) in STATES {
            run(|world| {
                let scene = Scene::new(world);
                state(world, &scene);
                world.destroy(scene.victim.header());
                assert_eq!(world.doing(&scene.victim), Doing::Dead, "{name}");
                world.advance(1000);
                // Nobody can reach it any more, nor does anybody wait for it.
                let server = world.doing(&scene.server);
                assert!(server != Doing::Waits(Waiting::Send), "{name}");
            });
        }
    }

    #[test]
    fn everything_else_ends_while_a_thread_is_in_every_state() {
        for (name, state) in STATES {
            run(|world| {
                let scene = Scene::new(world);
                state(world, &scene);
                let objects = [scene.at_gate, scene.at_semaphore, scene.to_server];
                for slot in objects {
                    let entry = scene.task.task.capabilities.lookup(world.cpu, slot);
                    let header = entry.expect(name).object.any_ref();
                    world.destroy(&header);
                    let waits = world.doing(&scene.victim);
                    assert!(waits != Doing::Waits(Waiting::Gate), "{name}");
                }
                world.advance(1000);
                world.destroy(scene.task.header());
            });
        }
    }

    #[test]
    fn a_thread_of_a_task_that_ended_goes_on_until_it_faults() {
        run(|world| {
            let scene = Scene::new(world);
            world.destroy(scene.task.header());
            let gone = Doing::Failed(IpcError::NOT_EXISTENT);
            let call = Syscall::call(scene.to_server);
            assert_eq!(world.syscall(&scene.victim, call), gone);
            let sleep = Syscall::sleep().receive_timeout(Timeout::ZERO);
            let late = Doing::Failed(IpcError::RECEIVE_TIMEOUT);
            assert_eq!(world.syscall(&scene.victim, sleep), late);
            assert_eq!(world.fault(&scene.victim, PAGE_FAULT), Doing::Dead);
        });
    }

    #[test]
    fn a_thread_ends_itself_and_its_task_and_does_not_come_back() {
        for end_task in [false, true] {
            run(|world| {
                let scene = Scene::new(world);
                let own_task = world.give_full(&scene.task, scene.task.header());
                let own = world.give_full(&scene.task, scene.victim.header());
                let last = if end_task { own_task } else { own };
                let rights = CapabilityRights::RWSD;
                let flexpage = l4_abi::flexpage::Flexpage::object(last, rights).raw();
                let words = [1, UnmapMask::DELETE_OBJECT.raw(), flexpage];
                world.write(&scene.victim, &words);
                let unmap = Syscall::invoke(own_task, label::TASK, 3);
                let doing = world.syscall(&scene.victim, unmap);
                assert_eq!(doing == Doing::Dead, !end_task);
            });
        }
    }

    #[test]
    fn the_end_of_a_gate_is_told_to_who_registered_for_it() {
        run(|world| {
            let scene = Scene::new(world);
            let irq = world.irq();
            let irq_slot = world.give_full(&scene.task, irq.header());
            let own = world.give_full(&scene.task, scene.victim.header());
            let register = [Opcode::RegisterDeletionIrq as u64];
            let icu = world.give_initial(&scene.task, slot::ICU);
            let to_pin = |world: &mut World, irq: u64| {
                world.invoke(&scene.victim, icu, label::IRQ, &[0, 3], Some(irq))
            };
            assert_eq!(to_pin(world, irq_slot), 0);
            let invoke = |world: &mut World, words: &[u64], argument| {
                world.invoke(&scene.victim, own, label::THREAD, words, argument)
            };
            assert_eq!(invoke(world, &register, Some(irq_slot)), 0);
            assert_eq!(
                invoke(world, &register, Some(irq_slot)),
                -16,
                "it is registered"
            );
            let other = world.irq();
            let other = world.give_full(&scene.task, other.header());
            assert_eq!(to_pin(world, other), 0, "it has left its pin");
            let argument = Some(own);
            let bind = [0x10, 0x5550];
            let bound = world.invoke(
                &scene.victim,
                irq_slot,
                label::KERNEL_OBJECT,
                &bind,
                argument,
            );
            assert_eq!(bound, 0);
            let gates = [(); 2].map(|()| world.gate(0, &scene.victim));
            for gate in &gates {
                world.destroy(gate.header());
            }
            let wait = Syscall::new(Selector::INVALID, Operation::WAIT);
            let wait = wait.receive_timeout(Timeout::ZERO);
            assert!(matches!(world.syscall(&scene.victim, wait), Doing::Done(_)));
            assert_eq!(world.label(&scene.victim), 0x5550);
            let late = Doing::Failed(IpcError::RECEIVE_TIMEOUT);
            assert_eq!(
                world.syscall(&scene.victim, wait),
                late,
                "two are one message"
            );
            world.enter(Source::Spurious);
        });
    }
}
