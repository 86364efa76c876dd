//! Page faults and exceptions (`abi/03` §6, §7, `abi/02` exception frames).
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;

mod alien;
mod endless;
mod exception;
mod handler;
mod page_fault;
mod trampoline;
mod triggered;

l4_test::suite![
    page_fault::the_pager_sees_address_access_and_place,
    page_fault::a_fetch_is_told_from_a_read,
    page_fault::missing_rights_are_told_from_missing_pages,
    page_fault::a_gate_adds_its_label,
    page_fault::an_answer_with_the_page_resolves_it,
    page_fault::the_registers_of_the_message_are_put_back,
    page_fault::an_answer_without_page_repeats_it,
    page_fault::any_positive_label_repeats_it,
    page_fault::a_negative_answer_makes_it_an_exception,
    page_fault::a_pager_that_is_gone_makes_it_an_exception,
    page_fault::a_cancelled_fault_is_repeated_elsewhere,
    exception::the_handler_sees_the_registers,
    exception::the_answer_changes_the_registers,
    exception::the_label_of_the_answer_does_not_matter,
    exception::a_short_answer_changes_nothing,
    exception::a_longer_answer_counts_too,
    exception::the_answer_can_map_pages,
    exception::a_short_answer_maps_nothing,
    exception::the_own_message_is_left_alone,
    exception::without_handler_the_thread_waits_for_a_cancel,
    exception::registers_stay_while_the_handler_thinks,
    endless::exceptions_that_nobody_takes_let_others_run,
    endless::exceptions_that_answer_each_other_let_others_run,
    arch::other_exceptions_are_told,
    arch::flags_are_made_harmless,
    trampoline::a_page_fault_is_handled_by_the_thread_itself,
    trampoline::what_it_changes_in_the_state_counts,
    trampoline::it_is_for_one_fault_at_a_time,
    trampoline::a_fault_can_be_reflected_to_the_exception_handler,
    trampoline::an_exception_can_be_raised_after_it,
    trampoline::it_can_be_disabled_and_enabled,
    trampoline::wrong_requests_are_refused,
    triggered::a_triggered_exception_comes_before_the_next_instruction,
    triggered::it_tells_the_registers_that_were_given,
    alien::every_system_call_is_two_exceptions,
    alien::registers_that_user_mode_writes_itself_are_told,
    alien::a_system_call_can_be_refused,
    alien::a_page_fault_is_an_exception,
];
