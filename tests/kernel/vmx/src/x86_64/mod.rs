//! x86_64: guests under VMX.

mod errors;
mod events;
mod exits;
mod guest;
mod hostile;
mod memory;
mod messages;
mod modes;
mod state;
mod wild;

l4_test::suite![
    exits::instructions_exit_with_their_reasons,
    exits::string_instructions_exit_before_they_do_anything,
    exits::a_change_of_components_exits,
    exits::ports_and_registers_exit_whatever_bitmaps_say,
    exits::registers_of_the_machine_exit,
    exits::what_is_not_mapped_exits_with_its_address,
    exits::a_page_that_may_not_be_written_exits,
    exits::code_runs_where_it_may_be_run_only,
    exits::addresses_beyond_all_memory_exit,
    exits::a_page_that_is_taken_away_is_gone,
    exits::a_triple_fault_is_an_exit,
    exits::debug_exceptions_exit_whatever_the_user_wants,
    exits::exceptions_exit_if_the_user_wants_it,
    errors::the_user_is_told_what_there_is,
    errors::a_state_that_no_guest_can_have_is_told,
    errors::what_is_the_kernels_the_user_cannot_change,
    errors::bits_that_guests_do_not_have_are_off,
    errors::what_the_kernel_refuses_does_not_run,
    errors::what_the_processor_refuses_does_not_run,
    errors::no_guest_runs_without_an_extended_vcpu,
    state::all_registers_go_both_ways,
    state::a_guest_with_64_bits_has_its_own_gs,
    state::the_kernels_registers_come_back,
    state::floating_point_registers_are_the_threads,
    state::a_value_counts_when_it_is_marked_as_changed,
    events::an_injected_event_goes_through_the_guests_table,
    events::an_exit_tells_when_interrupts_are_taken,
    events::an_interrupt_comes_between_two_instructions_and_once,
    events::an_nmi_keeps_off_others_until_its_handler_ends,
    messages::a_message_ends_the_run,
    messages::a_message_ends_the_run_of_a_guest_that_masks_interrupts,
    messages::an_event_that_was_to_come_is_told_back,
    messages::a_message_enters_if_the_flag_says_so,
    messages::a_guest_that_is_halted_is_interrupted,
    messages::a_guest_that_spins_takes_turns_with_others,
    memory::each_machine_has_its_own_memory,
    memory::a_page_is_taken_away_while_the_guest_runs,
    memory::vcpus_of_a_machine_share_its_memory,
    memory::a_machine_ends_while_its_guest_runs,
    memory::a_thread_ends_while_its_guest_runs,
    memory::a_vcpu_moves_with_its_registers,
    modes::a_guest_that_turns_long_mode_on_is_interrupted_and_goes_on,
    modes::guests_with_extended_addresses_keep_their_tables,
    hostile::none_of_the_instructions_for_hosts_is_the_guests,
    hostile::control_registers_that_the_host_needs_stay,
    hostile::a_guest_that_can_always_be_interrupted_gets_nowhere,
    hostile::any_field_may_have_any_value,
    wild::wild_states_harm_nobody,
];
