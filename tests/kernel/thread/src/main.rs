//! Threads (`abi/05` Thread).
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;

mod binding;
mod control;
mod deletion_irq;
mod ex_regs;
mod life;
mod senders;
mod time;
mod utcb;

l4_test::suite![
    control::a_new_thread_has_no_handlers,
    control::handlers_read_back,
    control::the_root_task_has_sigma0_as_pager,
    control::the_special_right_is_needed,
    control::short_requests_are_refused,
    control::unknown_operations_are_refused,
    control::only_control_needs_a_right,
    control::flags_above_the_operation_do_not_make_another,
    control::a_request_without_any_phase_is_performed,
    control::a_thread_can_name_itself,
    binding::a_thread_is_bound_once,
    binding::a_task_is_needed,
    binding::the_special_right_is_needed_on_the_task,
    binding::the_utcb_must_lie_in_kernel_user_memory,
    binding::the_utcb_must_be_aligned,
    binding::a_failed_binding_leaves_the_pager,
    ex_regs::registers_are_exchanged,
    ex_regs::three_words_are_needed,
    ex_regs::no_right_is_needed,
    ex_regs::unknown_flags_are_refused,
    ex_regs::a_thread_begins_with_clean_registers,
    ex_regs::the_order_of_starting_is_free,
    ex_regs::an_unbound_thread_can_be_prepared,
    life::a_thread_without_pager_dies_of_a_fault,
    life::a_thread_that_died_cannot_be_used_again,
    life::a_thread_can_delete_itself,
    life::a_deleted_thread_frees_its_utcb,
    senders::labels_of_queued_messages_are_rewritten,
    senders::the_first_matching_rule_counts,
    senders::an_interrupt_keeps_its_new_label,
    senders::a_request_without_rule_does_nothing,
    deletion_irq::the_deletion_of_a_gate_is_told,
    deletion_irq::deletions_are_told_once,
    deletion_irq::only_one_interrupt_can_be_registered,
    deletion_irq::an_interrupt_with_write_right_is_needed,
    time::a_running_thread_uses_time,
    time::a_sleeping_thread_uses_none,
    time::the_rest_of_the_time_slice_can_be_given_away,
    time::nothing_is_given_to_oneself_or_to_a_sleeper,
    utcb::a_new_one_is_empty_but_for_the_kernel_word,
    utcb::the_words_of_the_user_stay,
    utcb::the_free_marker_is_cleared_when_the_thread_goes,
    arch::operations_of_the_architecture,
];
