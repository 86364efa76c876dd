//! Guests at EL1 (`abi/06` §5.3).

mod code;
mod exits;
mod interrupts;
mod machine;
mod many;
mod memory;
mod privileged;
mod registers;
mod wild;

l4_test::suite![
    exits::a_hypervisor_call_exits_at_its_instruction,
    exits::a_secure_monitor_call_exits,
    exits::waiting_exits_if_it_is_to,
    exits::what_is_not_virtual_exits,
    exits::el2_is_out_of_reach,
    exits::without_el1_it_is_a_user_task,
    memory::an_access_to_nothing_tells_its_address,
    memory::behind_stage_1_the_intermediate_address_is_told,
    memory::so_it_is_where_the_right_is_missing,
    memory::a_missing_table_of_stage_1_is_told,
    memory::a_machine_that_ran_gives_back_all_its_memory,
    registers::the_state_begins_as_documented,
    registers::the_guest_has_its_identity,
    registers::el1_registers_belong_to_a_vcpu,
    registers::thread_pointers_belong_to_the_guest,
    registers::the_fpu_is_the_threads,
    registers::the_fpu_can_be_denied,
    registers::counters_have_an_offset,
    interrupts::the_virtual_timer_interrupts_once,
    interrupts::an_interrupt_is_shown_and_ended,
    interrupts::the_end_of_an_interrupt_can_be_told,
    interrupts::physical_interrupts_cannot_be_named,
    interrupts::a_message_enters_while_the_guest_spins,
    interrupts::without_the_interface_nothing_is_shown,
    many::spinning_guests_share_a_cpu,
    many::vcpus_of_one_machine_have_their_own_registers,
    many::guests_run_on_all_cpus_at_once,
    many::a_vcpu_moves_with_its_registers,
    many::a_running_guest_can_be_destroyed,
    many::a_machine_can_be_destroyed_under_its_guest,
    privileged::a_program_can_be_at_el1,
    privileged::a_program_goes_to_el1_in_the_middle_of_an_operation,
    privileged::programs_at_el1_find_nothing_of_guests_and_leave_nothing,
    privileged::a_vmm_at_el1_reaches_the_registers_of_its_guest,
    wild::no_state_of_a_guest_does_harm,
];
