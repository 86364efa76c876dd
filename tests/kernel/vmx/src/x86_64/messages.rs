//! Messages and interrupts while a guest runs.

use core::time::Duration;

use l4_test::abi::arch::x86_64::vmx::{EVENT_VALID, field};
use l4_test::abi::vcpu::StateFlags;
use l4_test::arch::guest::{self as pc, COUNT};
use l4_test::guest::{GUEST, Guest as _, LABEL, interrupted, irq};
use l4_test::spawn_at;
use l4_test::suite::PRIORITY;
use l4_test::sys::ipc;
use l4_test::sys::vcpu::GuestEnd;

use super::guest::{Guest, Machine};

pub(crate) fn a_message_ends_the_run() {
    pc::a_message_ends_the_run::<Guest>();
}

pub(crate) fn a_message_ends_the_run_of_a_guest_that_masks_interrupts() {
    pc::a_message_ends_the_run_of_a_guest_that_masks_interrupts::<Guest>();
}

pub(crate) fn a_message_enters_if_the_flag_says_so() {
    pc::a_message_enters_if_the_flag_says_so::<Guest>();
}

pub(crate) fn a_guest_that_spins_takes_turns_with_others() {
    pc::a_guest_that_spins_takes_turns_with_others::<Guest>();
}

pub(crate) fn an_event_that_was_to_come_is_told_back() {
    interrupted(COUNT, GUEST, |guest: Guest, end| {
        pc::check_pending(guest, end);
        guest.set(field::ENTRY_EVENT, EVENT_VALID | 0x21);
        pc::check_pending(guest, guest.run());
        assert_eq!(guest.get(field::INTERRUPTED_EVENT), EVENT_VALID | 0x21);
        assert_eq!(guest.get(field::ENTRY_EVENT) & EVENT_VALID, 0);
        pc::fetch(guest);
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
