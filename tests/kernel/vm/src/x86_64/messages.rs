//! Messages while a guest runs.

use l4_test::arch::guest as pc;

use super::guest::Guest;

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
