//! Interrupts of a device.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use l4_test::abi::error::IpcError;
use l4_test::abi::protocol::icu::{Mode, PIN_MSI};
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::timeout::Timeout;
use l4_test::long_operation::LongOperation;
use l4_test::message::{wait, wait_for};
use l4_test::sys::OwnedCap;
use l4_test::sys::object::Irq;
use l4_test::worker::comes;
use l4_test::{Message, failed, own, spawn, spawn_on, suite};

use crate::arch::{self, PIN};
use crate::trigger::own_irq;

const LABEL: u64 = 0x77;

/// An interrupt at the device's pin, which is set to `mode`.
fn irq(mode: Mode) -> OwnedCap<Irq> {
    arch::prepare(mode);
    arch::clear();
    let irq = own_irq(LABEL);
    own::icu().set_mode(PIN, mode).unwrap();
    own::icu().bind(PIN, irq.as_cap()).unwrap();
    irq
}

/// Waits for the interrupt, however long the machine takes.
fn await_interrupt() {
    assert_eq!(wait().label, LABEL);
}

/// Waits some milliseconds, in which no interrupt comes.
fn await_nothing() {
    let reply = wait_for(Timeout::from_micros(10_000));
    assert!(!reply.came(), "an interrupt comes");
}

pub(crate) fn a_new_interrupt_is_masked() {
    let irq = irq(Mode::LEVEL_HIGH);
    arch::raise();
    await_nothing();
    irq.unmask().unwrap();
    await_interrupt();
    arch::clear();
}

pub(crate) fn a_level_interrupt_comes_again_after_it_was_unmasked() {
    let irq = irq(Mode::LEVEL_HIGH);
    irq.unmask().unwrap();
    arch::raise();
    await_interrupt();
    await_nothing();
    // The device still asserts it.
    irq.unmask().unwrap();
    await_interrupt();
    arch::clear();
    irq.unmask().unwrap();
    await_nothing();
    arch::raise();
    await_interrupt();
    arch::clear();
}

pub(crate) fn an_edge_interrupt_comes_without_unmasking() {
    let irq = irq(Mode::RISING_EDGE);
    irq.unmask().unwrap();
    for _ in 0..3 {
        arch::raise();
        await_interrupt();
        await_nothing();
        arch::clear();
    }
}

/// Edges come once, levels again when they are let through.
pub(crate) fn the_mode_can_change_while_an_interrupt_is_bound() {
    let irq = irq(Mode::LEVEL_HIGH);
    irq.unmask().unwrap();
    for mode in [Mode::RISING_EDGE, Mode::LEVEL_HIGH, Mode::RISING_EDGE] {
        own::icu().set_mode(PIN, mode).unwrap();
        arch::raise();
        await_interrupt();
        irq.unmask().unwrap();
        if mode == Mode::LEVEL_HIGH {
            await_interrupt();
        }
        await_nothing();
        arch::clear();
        irq.unmask().unwrap();
        await_nothing();
    }
}

pub(crate) fn an_interrupt_that_tells_of_deletions_leaves_its_pin() {
    let irq = irq(Mode::LEVEL_HIGH);
    irq.unmask().unwrap();
    let server = spawn(|| ());
    server.thread().register_deletion_irq(irq.as_cap()).unwrap();
    arch::raise();
    await_nothing();
    arch::clear();
    let other = own_irq(LABEL);
    assert_eq!(own::icu().bind(PIN, other.as_cap()), Ok(()));
}

pub(crate) fn interrupts_find_a_thread_that_moves() {
    static CAME: AtomicU64 = AtomicU64::new(0);
    let cpus = own::scheduler().info().unwrap().cpus.count_ones();
    let irq = irq(Mode::LEVEL_HIGH);
    let cap = irq.as_cap();
    let waiting = spawn_on(cpus - 1, move || {
        loop {
            assert_eq!(wait().label, LABEL);
            arch::clear();
            CAME.fetch_add(1, SeqCst);
            cap.unmask().unwrap();
        }
    });
    irq.bind_thread(waiting.thread(), LABEL).unwrap();
    irq.unmask().unwrap();
    for round in 0..64 * u64::from(cpus) {
        let cpu = CpuSet::single((round % u64::from(cpus)) as u32);
        own::scheduler()
            .run_thread(waiting.thread(), cpu, suite::PRIORITY, 0)
            .unwrap();
        for number in [1, 2] {
            arch::raise();
            // Each comes once.
            let all = 2 * round + number;
            let so_far = || CAME.load(SeqCst);
            assert!(comes(|| so_far() == all), "{} of {all}", so_far());
        }
    }
}

pub(crate) fn a_device_sends_messages() {
    // There may be none.
    for number in 0..own::icu().info().unwrap().msis.min(2) {
        let irq = own_irq(LABEL);
        own::icu().bind(number | PIN_MSI, irq.as_cap()).unwrap();
        irq.unmask().unwrap();
        let message = own::icu().msi_info(number | PIN_MSI, 0).unwrap();
        let (address, data) = (message.address, message.data.into());
        arch::prepare_message(address, data);
        for _ in 0..3 {
            arch::send_message(address, data);
            await_interrupt();
            await_nothing();
        }
        // Nobody hears of it, nor of one that does not exist, and nothing stops others.
        drop(irq);
        for data in [data, arch::other_message(data)] {
            arch::prepare_message(address, data);
            arch::send_message(address, data);
            await_nothing();
        }
    }
}

pub(crate) fn an_unbound_pin_is_silent() {
    let irq = irq(Mode::LEVEL_HIGH);
    irq.unmask().unwrap();
    own::icu().unbind(PIN, irq.as_cap()).unwrap();
    arch::raise();
    await_nothing();
    arch::clear();
}

pub(crate) fn the_controller_can_mask_a_pin() {
    let irq = irq(Mode::LEVEL_HIGH);
    irq.unmask().unwrap();
    own::icu().mask(PIN).unwrap();
    arch::raise();
    await_nothing();
    own::icu().unmask(PIN).unwrap();
    await_interrupt();
    arch::clear();
}

/// One CPU masks it, while another one unmasks it: whoever came last, it can be unmasked afterwards.
pub(crate) fn cpus_that_disagree_about_a_pin_leave_it_usable() {
    static WANTED: AtomicU64 = AtomicU64::new(0);
    static MASKED: AtomicU64 = AtomicU64::new(0);
    const ROUNDS: u64 = 2000;
    if own::scheduler().info().unwrap().cpus.count_ones() < 2 {
        return;
    }
    let irq = irq(Mode::LEVEL_HIGH);
    let masking = spawn_on(1, || {
        for round in 1..=ROUNDS {
            while WANTED.load(SeqCst) < round {
                core::hint::spin_loop();
            }
            own::icu().mask(PIN).unwrap();
            MASKED.store(round, SeqCst);
        }
    });
    for round in 1..=ROUNDS {
        WANTED.store(round, SeqCst);
        for _ in 0..round % 64 {
            core::hint::spin_loop();
        }
        irq.unmask().unwrap();
        assert!(comes(|| MASKED.load(SeqCst) == round));
        irq.unmask().unwrap();
        arch::raise();
        await_interrupt();
        arch::clear();
        suite::is_alive();
    }
    masking.join();
}

pub(crate) fn a_semaphore_counts_interrupts() {
    arch::prepare(Mode::RISING_EDGE);
    arch::clear();
    let semaphore = own::factory().create_semaphore().unwrap();
    own::icu().set_mode(PIN, Mode::RISING_EDGE).unwrap();
    own::icu().bind(PIN, semaphore.as_cap().cast()).unwrap();
    // A new semaphore is not masked.
    for _ in 0..3 {
        arch::raise();
        assert_eq!(semaphore.down(Timeout::NEVER), Ok(()));
        arch::clear();
        let unmask = Message::new(label::IRQ).words(&[4]).send(**semaphore);
        assert!(unmask.came());
    }
    let empty = failed(IpcError::RECEIVE_TIMEOUT);
    assert_eq!(semaphore.down(Timeout::from_micros(10_000)), empty);
}

/// The kernel lets interrupts in while it does what takes long. The one that it
/// saw may be gone by then.
pub(crate) fn nobody_waits_for_an_interrupt_that_is_withdrawn() {
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    static STOP: AtomicBool = AtomicBool::new(false);
    /// How long a time slice is, in µs.
    const SLICE: u64 = 1 << 40;
    if own::scheduler().info().unwrap().cpus.count_ones() < 2 {
        return;
    }
    let irq = irq(Mode::LEVEL_HIGH);
    let busy = spawn_on(1, || {
        let operation = LongOperation::new();
        while !STOP.load(SeqCst) {
            operation.run();
            ROUNDS.fetch_add(1, SeqCst);
        }
    });
    let alone = CpuSet::single(1);
    own::scheduler()
        .run_thread(busy.thread(), alone, suite::PRIORITY, SLICE)
        .unwrap();
    // Its interrupts come to that CPU, and nobody takes them.
    irq.bind_thread(busy.thread(), LABEL).unwrap();
    arch::raise();
    for attempt in 0..1000 {
        let before = ROUNDS.load(SeqCst);
        own::icu().unmask(PIN).unwrap();
        for _ in 0..attempt % 64 {
            core::hint::spin_loop();
        }
        own::icu().mask(PIN).unwrap();
        let goes_on = || ROUNDS.load(SeqCst) > before + 1;
        let soon = (0..1 << 16).any(|_| goes_on());
        assert!(soon || comes(goes_on), "after {attempt} attempts");
        suite::is_alive();
    }
    STOP.store(true, SeqCst);
    busy.join();
    arch::clear();
}
