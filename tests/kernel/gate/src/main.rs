//! IPC gates (`abi/05` IPC gate, `abi/03` §9).
#![no_std]
#![no_main]

mod control;
mod deletion;
mod unbound;

l4_test::suite![
    control::a_bound_gate_tells_its_label,
    control::labels_with_low_bits_are_refused,
    control::binding_needs_the_special_right_on_both,
    control::binding_needs_a_thread,
    control::a_gate_can_be_bound_again,
    control::who_is_queued_stays_with_the_old_thread,
    control::without_server_right_control_is_a_message,
    control::without_send_phase_control_is_a_wait,
    control::unknown_operations_are_refused,
    control::a_gate_speaks_no_other_kernel_protocol,
    control::an_argument_is_only_looked_up,
    control::asking_needs_no_right,
    control::what_is_wrong_first_is_told,
    control::a_gate_of_a_dead_thread_fails_until_it_is_bound_again,
    unbound::a_sender_waits_for_the_binding,
    unbound::a_sender_waits_no_longer_than_its_timeout,
    unbound::every_operation_waits_for_the_binding,
    unbound::a_waiting_sender_is_cancelled,
    unbound::the_label_reads_zero,
    deletion::waiting_senders_learn_of_the_deletion,
    deletion::queued_messages_survive_the_gate,
    deletion::the_last_counted_capability_takes_the_gate_with_it,
    deletion::lowering_the_count_makes_it_go_earlier,
    deletion::the_count_can_be_lowered_below_zero,
    deletion::lowering_the_count_needs_two_words,
    deletion::references_cannot_be_added,
];
