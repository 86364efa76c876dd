//! Scheduling (`abi/03` §10, `abi/05` Scheduler).
#![no_std]
#![no_main]

mod donation;
mod preemption;
mod request;
mod time_slice;
mod trace;

l4_test::suite![
    request::the_cpus_are_told,
    request::an_offset_beyond_all_cpus_is_out_of_range,
    request::wrong_parameters_are_refused,
    request::the_fixed_priority_class_can_be_named,
    request::priorities_above_the_highest_are_the_highest,
    request::a_thread_is_needed,
    request::a_set_without_cpu_is_accepted,
    request::idle_time_passes_while_all_sleep,
    request::unknown_requests_are_refused,
    request::no_right_is_needed,
    request::it_has_one_pin,
    preemption::a_message_wakes_who_is_as_urgent,
    preemption::a_message_with_schedule_flag_does_too,
    preemption::an_interrupt_wakes_who_is_as_urgent,
    preemption::a_semaphore_wakes_who_is_as_urgent,
    preemption::a_new_thread_runs_if_it_is_as_urgent,
    preemption::a_timeout_wakes_who_is_as_urgent,
    preemption::the_preempted_thread_is_next_in_turn,
    preemption::a_changed_priority_counts_at_once,
    time_slice::equal_threads_take_turns,
    time_slice::a_quantum_is_as_long_as_asked,
    time_slice::short_sleeps_take_turns,
    time_slice::yielding_threads_take_turns,
    donation::a_call_runs_the_server_first,
    donation::the_schedule_flag_keeps_the_time_slice,
    donation::a_plain_send_gives_nothing_away,
    donation::a_server_has_no_more_than_the_time_slice,
];
