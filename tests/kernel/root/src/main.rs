//! What the root task starts with (`abi/00` slots, `abi/05` platform control, `abi/07` sigma0).
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;
mod platform;
mod sigma0;
mod slots;

l4_test::suite![
    platform::the_machine_can_start_anew,
    slots::the_first_slots_are_filled,
    slots::what_the_machine_has_not_does_not_exist,
    slots::all_rights_are_there,
    slots::the_gate_to_sigma0_cannot_be_taken_over,
    platform::suspending_is_not_possible,
    platform::shutting_down_needs_two_words,
    platform::unknown_ways_to_shut_down_are_refused,
    platform::a_cpu_that_is_there_can_be_named,
    platform::unknown_operations_are_refused,
    platform::no_right_is_needed,
    sigma0::memory_of_any_address_is_given,
    sigma0::memory_at_an_address_is_given_to_one_client,
    sigma0::memory_of_the_kernel_is_not_given,
    sigma0::devices_are_given_but_no_memory_as_one,
    sigma0::less_than_a_page_is_refused,
    sigma0::the_kernel_info_page_can_be_read_only,
    sigma0::a_page_fault_brings_one_page,
    sigma0::a_client_needs_the_special_right_to_make_clients,
    sigma0::unknown_requests_are_refused,
    sigma0::unknown_protocols_are_refused,
];
