//! The state machine of abi/05 against a table of it.

use l4_abi::capability::slot;
use l4_abi::error::IpcError;
use l4_abi::flexpage::Flexpage;
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::Operation;
use l4_abi::protocol::icu::{Mode, Opcode as IcuOpcode, PIN_MSI};
use l4_abi::protocol::task::UnmapMask;
use l4_abi::timeout::Timeout;
use machine::event::Source;
use proptest::prelude::*;

use super::*;
use crate::testing::{Doing, Syscall, TestTask, World, run};

mod meanwhile;

/// A message is queued where the object says.
pub(crate) fn check(cpu: &Cpu, irq: &Irq) {
    let state = irq.state.lock();
    assert!(!(state.queued && state.pending));
    assert_eq!(irq.queued.is_linked(), state.queued);
    if state.queued {
        let thread = irq.thread.get(cpu).expect("a message is for somebody");
        assert!(thread.mailbox.has_irq(irq) && !thread.mailbox.is_closed());
    }
}

impl Irq {
    pub(crate) fn thread_header<'cpu>(
        &self,
        cpu: &'cpu Cpu,
    ) -> Option<&'cpu crate::object::Header> {
        self.thread.header(cpu)
    }
}

const PIN: u32 = 5;
/// What each receiver binds the interrupt with.
const LABELS: [u64; 2] = [0x111, 0x222];

#[derive(Clone, Copy, Debug)]
enum Event {
    Hit,
    Take,
    Bind(usize),
    Detach,
    Unmask,
    Kill(usize),
}

/// How interrupts come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Software,
    Edge,
    Level,
}

/// An IRQ sender by the table of abi/05.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Model {
    level: bool,
    enabled: bool,
    bound: Option<usize>,
    queued: bool,
    pending: bool,
    overrun: bool,
    dead: [bool; 2],
}

impl Model {
    /// What comes of an event; what the caller of the operation is told.
    fn step(&mut self, event: Event) -> Option<i64> {
        match event {
            Event::Hit => self.hit(),
            Event::Unmask => self.enabled |= !self.queued && !self.pending,
            Event::Take => {
                let taken = self.queued;
                self.queued = false;
                if taken && self.overrun {
                    self.overrun = false;
                    self.enabled = true;
                }
                return Some(i64::from(taken));
            }
            Event::Bind(thread) if self.bound == Some(thread) && !self.dead[thread] => {}
            Event::Bind(thread) => {
                self.bound = Some(thread);
                self.overrun &= !self.pending;
                let message = self.queued || self.pending;
                self.arrive(message);
            }
            Event::Detach if self.bound.is_none() => return Some(ResultCode::ENOENT.label()),
            Event::Detach => {
                let message = self.queued || self.pending;
                *self = Model {
                    enabled: false,
                    bound: None,
                    queued: false,
                    pending: message && !self.level,
                    overrun: !self.level,
                    ..*self
                };
                return Some(i64::from(message));
            }
            Event::Kill(thread) => {
                self.dead[thread] = true;
                if self.bound == Some(thread) && self.queued {
                    self.bound = None;
                    self.queued = false;
                    self.pending = !self.level;
                }
            }
        }
        None
    }

    fn hit(&mut self) {
        let waiting = self.queued || self.pending;
        let Some(_) = self.bound else {
            self.enabled = false;
            if !self.level {
                self.pending = true;
                self.overrun = true;
            }
            return;
        };
        self.enabled &= !self.level && !waiting;
        if waiting {
            self.overrun = !self.level;
        } else {
            self.overrun = false;
            self.arrive(true);
        }
    }

    /// A message, if there is one, gets to the thread, or waits for another.
    fn arrive(&mut self, message: bool) {
        let dead = self.bound.is_some_and(|thread| self.dead[thread]);
        self.queued = message && !dead;
        self.pending = message && dead;
    }
}

/// An IRQ sender, two threads that it may be bound to, and a driver.
struct Real {
    irq: Ref<Irq>,
    receivers: [Ref<Thread>; 2],
    receiver_slots: [u64; 2],
    task: TestTask,
    driver: Ref<Thread>,
    slot: u64,
    icu: u64,
    line: Line,
}

impl Real {
    fn new(world: &mut World, line: Line) -> Self {
        let task = world.task();
        let irq = world.irq();
        let receivers = [(); 2].map(|()| world.thread(&task, 10));
        let real = Self {
            slot: world.give_full(&task, irq.header()),
            receiver_slots: [0, 1].map(|index| {
                let receiver: &Ref<Thread> = &receivers[index];
                world.give_full(&task, receiver.header())
            }),
            icu: world.give_initial(&task, slot::ICU),
            driver: world.thread(&task, 10),
            irq,
            receivers,
            task,
            line,
        };
        if line != Line::Software {
            let mode = match line {
                Line::Level => Mode::LEVEL_HIGH,
                _ => Mode::RISING_EDGE,
            };
            let pin = u64::from(PIN);
            let words = [IcuOpcode::SetMode as u64, pin, mode.bits()];
            assert_eq!(real.icu(world, &words, None), 0);
            let words = [IcuOpcode::Bind as u64, pin];
            assert_eq!(real.icu(world, &words, Some(real.slot)), 0);
        }
        real
    }

    fn icu(&self, world: &mut World, words: &[u64], argument: Option<u64>) -> i64 {
        world.invoke(&self.driver, self.icu, label::IRQ, words, argument)
    }

    /// An operation without an answer.
    fn tell(&self, world: &mut World, opcode: Opcode) {
        world.write(&self.driver, &[opcode as u64]);
        let call = Syscall::send(self.slot).tag(label::IRQ, 1, 0);
        world.syscall(&self.driver, call);
    }

    fn bind(&self, world: &mut World, receiver: usize) -> i64 {
        let words = [BindOpcode::BindThread as u64, LABELS[receiver]];
        let argument = Some(self.receiver_slots[receiver]);
        world.invoke(
            &self.driver,
            self.slot,
            label::KERNEL_OBJECT,
            &words,
            argument,
        )
    }

    fn detach(&self, world: &mut World) -> i64 {
        let words = [SenderOpcode::Detach as u64];
        world.invoke(&self.driver, self.slot, label::IRQ_SENDER, &words, None)
    }

    /// The event, and what the caller of the operation is told.
    fn step(&self, world: &mut World, event: Event) -> Option<i64> {
        match event {
            Event::Hit if self.line == Line::Software => self.tell(world, Opcode::Trigger),
            Event::Hit => world.enter(Source::Pin(PIN)),
            Event::Unmask => self.tell(world, Opcode::Unmask),
            Event::Bind(receiver) => assert_eq!(self.bind(world, receiver), 0),
            Event::Detach => return Some(self.detach(world)),
            Event::Kill(receiver) => {
                self.receivers[receiver].kill(world.cpu);
                world.enter(Source::Spurious);
            }
            Event::Take => {
                let alive = [0, 1]
                    .into_iter()
                    .filter(|&receiver| world.doing(&self.receivers[receiver]) != Doing::Dead);
                let alive: Vec<usize> = alive.collect();
                let takes = alive.into_iter().map(|receiver| self.take(world, receiver));
                return Some(i64::from(takes.fold(false, |one, other| one | other)));
            }
        }
        None
    }

    /// True if a message was queued at the receiver.
    fn take(&self, world: &mut World, receiver: usize) -> bool {
        let thread = &self.receivers[receiver];
        let wait = Syscall::wait().receive_timeout(Timeout::ZERO);
        match world.syscall(thread, wait) {
            Doing::Done(tag) => {
                assert_eq!(tag, MessageTag::EMPTY);
                assert_eq!(world.label(thread), LABELS[receiver]);
                true
            }
            doing => {
                assert_eq!(doing, Doing::Failed(IpcError::RECEIVE_TIMEOUT));
                false
            }
        }
    }

    fn as_model(&self, world: &World, dead: [bool; 2]) -> Model {
        let state = *self.irq.state.lock();
        let bound = self
            .irq
            .thread
            .get(world.cpu)
            .map(|thread| usize::from(thread.id == self.receivers[1].id));
        Model {
            level: self.irq.pin.is_level(world.cpu),
            enabled: self.irq.pin.is_enabled(),
            bound,
            queued: state.queued,
            pending: state.pending,
            overrun: state.overrun,
            dead,
        }
    }
}

fn compare(world: &mut World, line: Line, events: &[Event]) {
    let real = Real::new(world, line);
    let mut model = Model {
        level: line == Line::Level,
        ..Model::default()
    };
    for (number, event) in events.iter().enumerate() {
        let told = model.step(*event);
        assert_eq!(
            real.step(world, *event),
            told,
            "event {number} of {events:?}"
        );
        let now = real.as_model(world, model.dead);
        assert_eq!(now, model, "after event {number} of {events:?}");
        if line != Line::Software {
            let pin = world.cpu.kernel.platform.chip.pin(PIN);
            assert_eq!(pin.masked, !model.enabled);
        }
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => Just(Event::Hit),
        3 => Just(Event::Take),
        3 => (0..2_usize).prop_map(Event::Bind),
        2 => Just(Event::Detach),
        2 => Just(Event::Unmask),
        1 => (0..2_usize).prop_map(Event::Kill),
    ];
    prop::collection::vec(event, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_sequence_of_events_goes_by_the_table(events in events()) {
        run(|world| {
            for line in [Line::Software, Line::Edge, Line::Level] {
                compare(world, line, &events);
                world.clear();
            }
        });
    }
}

#[test]
fn a_waiting_thread_gets_the_message_at_once() {
    run(|world| {
        let real = Real::new(world, Line::Edge);
        real.bind(world, 0);
        world.syscall(&real.receivers[0], Syscall::wait());
        world.enter(Source::Pin(PIN));
        let receiver = &real.receivers[0];
        assert_eq!(world.doing(receiver), Doing::Done(MessageTag::EMPTY));
        assert_eq!(world.label(receiver), LABELS[0]);
        assert!(world.runs(receiver), "equal priority preempts");
    });
}

#[test]
fn a_closed_wait_takes_this_interrupt_only() {
    run(|world| {
        let real = Real::new(world, Line::Software);
        real.bind(world, 0);
        let (receiver, other) = (&real.receivers[0], world.irq());
        let other_slot = world.give_full(&real.task, other.header());
        let argument = Some(real.receiver_slots[0]);
        let words = [BindOpcode::BindThread as u64, 0x333];
        world.invoke(
            &real.driver,
            other_slot,
            label::KERNEL_OBJECT,
            &words,
            argument,
        );
        world.syscall(receiver, Syscall::receive(real.slot));
        let trigger = Syscall::send(other_slot).tag(label::IRQ, 0, 0);
        world.syscall(&real.driver, trigger);
        assert!(matches!(world.doing(receiver), Doing::Waits(_)));
        real.tell(world, Opcode::Trigger);
        assert_eq!(world.label(receiver), LABELS[0]);
    });
}

#[test]
fn trigger_and_wait_gets_the_own_message() {
    run(|world| {
        let real = Real::new(world, Line::Software);
        real.bind(world, 0);
        let call = Syscall::call(real.slot).tag(label::IRQ, 0, 0);
        let doing = world.syscall(&real.receivers[0], call);
        assert_eq!(doing, Doing::Done(MessageTag::EMPTY));
        assert_eq!(world.label(&real.receivers[0]), LABELS[0]);
    });
}

#[test]
fn a_message_goes_before_those_of_threads_and_goes_with_its_interrupt() {
    run(|world| {
        let real = Real::new(world, Line::Software);
        real.bind(world, 0);
        let receiver = &real.receivers[0];
        let to_receiver = real.receiver_slots[0];
        world.syscall(&real.receivers[1], Syscall::send(to_receiver).label(1));
        real.tell(world, Opcode::Trigger);
        world.syscall(receiver, Syscall::wait());
        assert_eq!(world.label(receiver), LABELS[0]);
        real.tell(world, Opcode::Trigger);
        world.destroy(real.irq.header());
        world.syscall(receiver, Syscall::wait());
        assert_eq!(world.label(receiver), 1);
        let doing = world.syscall(receiver, Syscall::wait());
        assert!(matches!(doing, Doing::Waits(_)));
    });
}

#[test]
fn a_new_label_is_also_that_of_a_queued_message() {
    run(|world| {
        let real = Real::new(world, Line::Software);
        real.bind(world, 0);
        real.tell(world, Opcode::Trigger);
        let words = [BindOpcode::BindThread as u64, 0x999];
        let argument = Some(real.receiver_slots[0]);
        world.invoke(
            &real.driver,
            real.slot,
            label::KERNEL_OBJECT,
            &words,
            argument,
        );
        world.syscall(&real.receivers[0], Syscall::wait());
        assert_eq!(world.label(&real.receivers[0]), 0x999);
    });
}

#[test]
fn the_end_of_an_interrupt_masks_its_pin() {
    run(|world| {
        let real = Real::new(world, Line::Edge);
        real.tell(world, Opcode::Unmask);
        assert!(!world.cpu.kernel.platform.chip.pin(PIN).masked);
        world.destroy(real.irq.header());
        assert!(world.cpu.kernel.platform.chip.pin(PIN).masked);
        // And nobody gets what still comes.
        world.enter(Source::Pin(PIN));
        let words = [IcuOpcode::Bind as u64, u64::from(PIN)];
        let other = world.irq();
        let other = world.give_full(&real.task, other.header());
        assert_eq!(real.icu(world, &words, Some(other)), 0);
    });
}

#[test]
fn what_is_bound_to_a_pin_is_named_behind_all_words() {
    run(|world| {
        let real = Real::new(world, Line::Software);
        let words = [IcuOpcode::Bind as u64, u64::from(PIN), 0, 0];
        assert_eq!(real.icu(world, &words, Some(real.slot)), 0);
        assert!(!real.irq.pin.is_unbound());
    });
}

#[test]
fn operations_are_refused_as_the_table_of_errors_says() {
    run(|world| {
        let real = Real::new(world, Line::Software);
        let weak = world.give(&real.task, real.irq.header(), CapabilityRights::RW);
        let call = |world: &mut World, slot, label, words: &[u64]| {
            world.invoke(&real.driver, slot, label, words, None)
        };
        let bind = BindOpcode::BindThread as u64;
        let detach = SenderOpcode::Detach as u64;
        for (slot, label, words, code) in [
            (real.slot, label::TASK, &[0][..], ResultCode::EBADPROTO),
            (real.slot, label::IRQ, &[3], ResultCode::ENOSYS),
            (real.slot, label::KERNEL_OBJECT, &[], ResultCode::EINVAL),
            (real.slot, label::IRQ_SENDER, &[], ResultCode::EINVAL),
            (real.slot, label::IRQ_SENDER, &[0], ResultCode::ENOSYS),
            (real.slot, label::IRQ_SENDER, &[detach], ResultCode::ENOENT),
            (
                real.slot,
                label::KERNEL_OBJECT,
                &[bind, 0],
                ResultCode::EINVAL,
            ),
            (weak, label::KERNEL_OBJECT, &[bind, 0], ResultCode::EPERM),
            (weak, label::IRQ_SENDER, &[detach], ResultCode::EPERM),
        ] {
            assert_eq!(
                call(world, slot, label, words),
                code.label(),
                "{label} {words:?}"
            );
        }
        // Without a capability that may be bound to.
        let thread = real.receivers[0].header();
        let no_special = world.give(&real.task, thread, CapabilityRights::RW);
        let result = world.invoke(
            &real.driver,
            real.slot,
            label::KERNEL_OBJECT,
            &[bind, 0],
            Some(no_special),
        );
        assert_eq!(result, ResultCode::EPERM.label());
    });
}

#[test]
fn no_operation_without_a_send_phase_does_anything() {
    run(|world| {
        let real = Real::new(world, Line::Software);
        real.bind(world, 0);
        let selector = l4_abi::capability::Selector::new(real.slot);
        for operation in [Operation::empty(), Operation::OPEN_WAIT] {
            let call = Syscall::new(selector, operation).tag(label::IRQ, 0, 0);
            world.syscall(&real.driver, call);
        }
        assert!(!real.irq.state.lock().queued);
    });
}

#[test]
fn a_message_is_a_pin_by_another_name() {
    run(|world| {
        let real = Real::new(world, Line::Software);
        real.bind(world, 0);
        real.tell(world, Opcode::Unmask);
        let bind = |world: &mut World, number: u32| {
            let words = [IcuOpcode::Bind as u64, u64::from(number) | PIN_MSI];
            real.icu(world, &words, Some(real.slot))
        };
        let chip = &world.cpu.kernel.platform.chip;
        let (messages, line) = (chip.msis(), chip.pins() + 1);
        assert_eq!(bind(world, messages), ResultCode::EINVAL.label());
        assert_eq!(bind(world, 1), 0);
        world.enter(Source::Pin(line));
        assert_eq!(world.cpu.kernel.platform.chip.pin(line).acknowledged, 1);
        assert!(real.take(world, 0));
    });
}

#[test]
fn a_trigger_by_software_acknowledges_no_interrupt() {
    run(|world| {
        let real = Real::new(world, Line::Edge);
        real.bind(world, 0);
        let before = world.cpu.kernel.platform.chip.pin(PIN);
        real.tell(world, Opcode::Trigger);
        real.tell(world, Opcode::Trigger);
        let after = world.cpu.kernel.platform.chip.pin(PIN);
        assert_eq!(after.acknowledged, before.acknowledged);
        assert!(real.take(world, 0));
    });
}
