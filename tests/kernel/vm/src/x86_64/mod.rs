//! x86_64: guests under SVM.

mod errors;
mod exits;
mod guest;
mod memory;
mod messages;
mod state;
mod wild;

l4_test::suite![
    errors::a_guest_needs_an_extended_vcpu,
    errors::the_extended_state_must_lie_in_kernel_user_memory,
    errors::no_guest_runs_without_svm_in_its_efer,
    errors::no_guest_runs_without_nested_paging,
    errors::no_guest_runs_with_page_attributes_that_are_none,
    errors::no_guest_runs_without_the_fpu,
    errors::a_virtual_machine_needs_the_special_right,
    errors::no_thread_can_be_in_a_virtual_machine,
    errors::a_virtual_machine_is_paid_for_by_its_factory,
    exits::instructions_exit_with_their_codes,
    exits::cpuid_exits_if_the_user_wants_it,
    exits::registers_of_the_machine_exit_but_for_those_that_are_switched,
    exits::what_is_not_mapped_exits_with_its_address,
    exits::a_triple_fault_is_an_exit,
    exits::the_user_does_not_see_forced_intercepts,
    exits::none_of_the_instructions_for_hosts_is_the_guests,
    state::all_registers_go_both_ways,
    state::control_registers_stay_what_the_guest_made_them,
    state::floating_point_registers_are_the_threads,
    state::protection_keys_are_no_other_guests,
    state::an_injected_event_goes_through_the_guests_table,
    state::a_virtual_interrupt_comes_when_the_guest_takes_it,
    state::a_virtual_interrupt_comes_before_the_first_instruction,
    state::a_virtual_interrupt_is_taken_once_and_can_be_withdrawn,
    state::the_kernels_registers_come_back,
    memory::each_machine_has_its_own_memory,
    memory::a_page_that_may_not_be_written_exits,
    memory::a_page_that_is_taken_away_is_gone,
    memory::a_page_is_taken_away_while_the_guest_runs,
    memory::vcpus_of_a_machine_share_its_memory,
    memory::guests_run_on_all_cpus_at_once,
    memory::a_machine_ends_while_its_guest_runs,
    memory::a_thread_ends_while_its_guest_runs,
    memory::a_vcpu_moves_with_its_registers,
    memory::a_machine_that_ran_gives_back_all_its_memory,
    messages::a_message_ends_the_run,
    messages::a_message_enters_if_the_flag_says_so,
    messages::a_message_ends_the_run_of_a_guest_that_masks_interrupts,
    messages::a_guest_that_spins_takes_turns_with_others,
    wild::wild_states_harm_nobody,
];
