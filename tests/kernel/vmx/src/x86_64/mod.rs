//! x86_64: guests under VMX.

mod errors;
mod exits;
mod guest;
mod messages;
mod state;
mod wild;

l4_test::suite![
    exits::instructions_exit_with_their_reasons,
    exits::registers_of_the_machine_exit,
    exits::what_is_not_mapped_exits_with_its_address,
    exits::a_page_that_may_not_be_written_exits,
    exits::a_page_that_is_taken_away_is_gone,
    exits::a_triple_fault_is_an_exit,
    exits::exceptions_exit_if_the_user_wants_it,
    errors::the_user_is_told_what_there_is,
    errors::a_state_that_no_guest_can_have_is_told,
    errors::what_the_kernel_refuses_does_not_run,
    errors::what_the_processor_refuses_does_not_run,
    errors::no_guest_runs_without_an_extended_vcpu,
    state::all_registers_go_both_ways,
    state::an_injected_event_goes_through_the_guests_table,
    state::a_guest_with_64_bits_has_its_own_gs,
    state::the_kernels_registers_come_back,
    state::a_value_counts_when_it_is_marked_as_changed,
    messages::a_message_ends_the_run,
    messages::a_message_ends_the_run_of_a_guest_that_masks_interrupts,
    messages::a_message_that_waits_ends_the_next_run,
    messages::a_message_enters_if_the_flag_says_so,
    messages::a_guest_that_is_halted_is_interrupted,
    messages::guests_that_spin_take_turns,
    wild::wild_states_harm_nobody,
];
