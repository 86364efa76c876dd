//! Memory, vCPUs and machines, on several CPUs if there are, and their ends.

use l4_test::arch::guest as pc;

use super::guest::Guest;

pub(crate) fn each_machine_has_its_own_memory() {
    pc::each_machine_has_its_own_memory::<Guest>();
}

pub(crate) fn a_page_is_taken_away_while_the_guest_runs() {
    pc::a_page_is_taken_away_while_the_guest_runs::<Guest>();
}

pub(crate) fn vcpus_of_a_machine_share_its_memory() {
    pc::vcpus_of_a_machine_share_its_memory::<Guest>();
}

pub(crate) fn a_machine_ends_while_its_guest_runs() {
    pc::a_machine_ends_while_its_guest_runs::<Guest>();
}

pub(crate) fn a_thread_ends_while_its_guest_runs() {
    pc::a_thread_ends_while_its_guest_runs::<Guest>();
}

pub(crate) fn a_vcpu_moves_with_its_registers() {
    pc::a_vcpu_moves_with_its_registers::<Guest>();
}
