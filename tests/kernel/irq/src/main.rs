//! Interrupts and the interrupt controller (`abi/05` IRQ sender, ICU).
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;

mod binding;
mod device;
mod icu;
mod request;
mod trigger;

l4_test::suite![
    trigger::it_arrives_with_its_label_and_nothing_else,
    trigger::triggers_before_the_receipt_are_one_message,
    trigger::it_arrives_again_after_the_receipt,
    trigger::the_read_right_is_enough,
    trigger::a_closed_wait_takes_only_this_interrupt,
    trigger::a_call_brings_the_own_message,
    trigger::a_destroyed_interrupt_withdraws_its_message,
    binding::what_came_before_is_one_message,
    binding::binding_again_changes_the_label_of_a_queued_message,
    binding::another_thread_takes_a_queued_message_over,
    binding::detaching_tells_what_there_was,
    binding::a_message_in_the_queue_is_kept_for_the_next_thread,
    binding::a_message_survives_its_thread,
    binding::an_idle_interrupt_stays_bound_to_a_dead_thread,
    binding::the_special_right_is_needed_on_both,
    binding::a_thread_is_needed,
    request::unknown_protocols_are_refused,
    request::unknown_operations_are_refused,
    request::detaching_needs_the_special_right,
    request::a_trigger_is_empty_or_named,
    request::unmasking_and_receiving_is_one_request,
    request::no_vcpu_can_be_bound,
    icu::it_tells_what_it_has,
    icu::pins_that_do_not_exist_are_refused,
    icu::a_pin_has_one_interrupt,
    icu::an_interrupt_has_one_pin,
    icu::unbinding_frees_the_pin,
    icu::binding_needs_the_write_right,
    icu::short_requests_are_refused,
    icu::unknown_requests_are_refused,
    icu::a_message_has_one_interrupt,
    icu::an_msi_beyond_the_last_is_out_of_range,
    icu::masking_has_no_answer,
    icu::the_mode_of_a_pin_that_does_not_exist_is_refused,
    icu::modes_that_the_controller_has_are_accepted,
    icu::no_right_is_needed,
    device::a_new_interrupt_is_masked,
    device::a_level_interrupt_comes_again_after_it_was_unmasked,
    device::an_edge_interrupt_comes_without_unmasking,
    device::the_mode_can_change_while_an_interrupt_is_bound,
    device::an_interrupt_that_tells_of_deletions_leaves_its_pin,
    device::interrupts_find_a_thread_that_moves,
    device::a_device_sends_messages,
    device::an_unbound_pin_is_silent,
    device::the_controller_can_mask_a_pin,
    device::cpus_that_disagree_about_a_pin_leave_it_usable,
    device::a_semaphore_counts_interrupts,
    device::nobody_waits_for_an_interrupt_that_is_withdrawn,
];
