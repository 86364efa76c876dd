//! Messages between threads (`abi/01`, `abi/03` §1, §2, §8).
#![no_std]
#![no_main]

mod call;
mod cancel;
mod error;
mod order;
mod timeout;
mod wait;

l4_test::suite![
    call::a_call_brings_the_answer,
    call::all_63_words_arrive_both_ways,
    call::words_beyond_the_count_stay,
    call::label_and_flags_arrive_unchanged,
    call::a_thread_capability_passes_the_label_register,
    call::a_gate_gives_its_label_and_the_callers_rights,
    call::an_answer_passes_the_label_register,
    call::a_send_returns_the_own_tag,
    call::the_error_word_is_left_alone_by_success,
    wait::an_open_wait_takes_anyone,
    wait::a_closed_wait_takes_only_its_partner,
    wait::a_closed_wait_for_a_gate_is_one_for_its_thread,
    wait::send_and_wait_does_both,
    wait::reply_and_wait_serves_one_after_the_other,
    wait::a_wait_for_a_dead_partner_goes_on,
    wait::a_wait_for_a_thread_that_never_ran_times_out,
    timeout::a_sleep_lasts_its_time,
    timeout::a_relative_send_timeout_expires,
    timeout::an_absolute_timeout_expires_at_its_time,
    timeout::an_absolute_timeout_in_the_past_expires_at_once,
    timeout::the_index_of_an_absolute_timeout_is_clamped,
    timeout::a_zero_timeout_takes_who_is_queued,
    timeout::a_zero_timeout_does_not_wait,
    timeout::every_mantissa_of_zero_expires_at_once,
    timeout::the_receive_timeout_of_a_call_starts_with_its_wait,
    timeout::a_message_ends_a_timeout,
    cancel::a_blocked_send_is_cancelled,
    cancel::a_blocked_receive_is_cancelled,
    cancel::a_sleep_is_cancelled,
    cancel::a_cancelled_thread_goes_on_where_it_is_told,
    cancel::a_running_thread_is_not_cancelled_later,
    cancel::senders_of_a_destroyed_thread_are_cancelled,
    cancel::a_destroyed_thread_is_not_found,
    order::senders_go_by_priority,
    order::equal_senders_go_by_arrival,
    order::an_interrupt_goes_first,
    error::an_empty_slot_does_not_exist,
    error::an_index_beyond_the_space_does_not_exist,
    error::an_operation_without_phase_does_not_exist,
    error::a_thread_that_never_ran_cannot_be_sent_to,
    error::a_thread_without_schedule_is_not_ready,
    error::nobody_can_send_to_himself,
    error::a_failed_send_returns_nothing_but_the_mark,
    error::a_failed_receive_returns_the_own_tag,
    error::a_failed_send_is_followed_by_no_wait,
];
