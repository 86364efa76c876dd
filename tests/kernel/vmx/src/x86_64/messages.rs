//! Messages and interrupts while a guest runs.

use core::time::Duration;

use l4_test::abi::arch::x86_64::vmx::{EVENT_VALID, field};
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::timeout::TimeoutPair;
use l4_test::abi::vcpu::{StateFlags, StickyFlags};
use l4_test::guest::{DATA, GUEST, Guest as _, LABEL, interrupted, irq, settle};
use l4_test::memory::load;
use l4_test::suite::PRIORITY;
use l4_test::sys::ipc;
use l4_test::sys::vcpu::GuestEnd;
use l4_test::{Worker, own, spawn_at};

use super::guest::{COUNT, Guest, Machine, exit};

/// inc word [DATA]; cli; jmp back
const COUNT_MASKED: &[u8] = &[0xff, 0x06, 0x00, 0x20, 0xfa, 0xeb, 0xf9];

fn check_pending(guest: Guest, end: GuestEnd) {
    assert_eq!((end, guest.exit()), (GuestEnd::Pending, exit::INTERRUPT));
    assert_eq!(guest.vcpu.sticky_flags(), StickyFlags::IRQ_PENDING);
}

fn fetch(guest: Guest) {
    let arrival = ipc::wait(TimeoutPair::RECEIVE_ZERO).expect("a message waits");
    assert_eq!(arrival.label, LABEL);
    assert_eq!(guest.vcpu.sticky_flags(), StickyFlags::empty());
}

pub(crate) fn a_message_ends_the_run() {
    interrupted(COUNT, GUEST, |guest: Guest, end| {
        check_pending(guest, end);
        fetch(guest);
    });
}

pub(crate) fn a_message_ends_the_run_of_a_guest_that_masks_interrupts() {
    interrupted(COUNT_MASKED, GUEST, |guest: Guest, end| {
        check_pending(guest, end);
        fetch(guest);
    });
}

pub(crate) fn a_message_that_waits_ends_the_next_run() {
    interrupted(COUNT, GUEST, |guest: Guest, end| {
        check_pending(guest, end);
        // What was to be injected is told back.
        guest.set(field::ENTRY_EVENT, EVENT_VALID | 0x21);
        check_pending(guest, guest.run());
        assert_eq!(guest.get(field::INTERRUPTED_EVENT), EVENT_VALID | 0x21);
        assert_eq!(guest.get(field::ENTRY_EVENT) & EVENT_VALID, 0);
        fetch(guest);
    });
}

pub(crate) fn a_message_enters_if_the_flag_says_so() {
    let flags = GUEST | StateFlags::IRQ;
    interrupted(COUNT, flags, move |guest: Guest, end| {
        assert_eq!(end, GuestEnd::Entered);
        assert_eq!(guest.vcpu.registers().trap, 0xfe);
        assert_eq!(guest.vcpu.message().label, LABEL);
    });
}

pub(crate) fn a_guest_that_is_halted_is_interrupted() {
    let flags = GUEST | StateFlags::IRQ;
    let machine = Machine::new(COUNT);
    let worker = spawn_at(PRIORITY - 1, move || {
        let guest = machine.vcpu();
        guest.vcpu.set_saved_state(flags);
        guest.set(field::ACTIVITY, 1);
        assert_eq!(guest.run(), GuestEnd::Entered);
    });
    ipc::sleep(Duration::from_millis(2));
    let irq = irq(worker.thread(), LABEL);
    irq.trigger().unwrap();
    worker.join();
}

pub(crate) fn guests_that_spin_take_turns() {
    let machines = [(); 2].map(|()| Machine::new(COUNT));
    let memories = [0, 1].map(|index: usize| machines[index].memory + DATA);
    let guests = machines.map(|machine| {
        spawn_at(PRIORITY - 1, move || {
            machine.vcpu().run();
        })
    });
    // All on this CPU, with short time slices.
    for thread in guests.iter().map(Worker::thread) {
        own::scheduler()
            .run_thread(thread, CpuSet::single(0), PRIORITY - 1, 1000)
            .unwrap();
    }
    for _ in 0..3 {
        let before = memories.map(load);
        settle(|| {
            let now = memories.map(load);
            now.iter().zip(before).all(|(now, then)| *now != then)
        });
    }
    for worker in guests {
        let irq = irq(worker.thread(), 0);
        irq.trigger().unwrap();
        worker.join();
    }
}
