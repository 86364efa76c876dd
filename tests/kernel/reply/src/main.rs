//! Reply capabilities (`abi/01` on the REPLY flag, `abi/03` §3).
#![no_std]
#![no_main]

mod explicit;
mod implicit;
mod lost;

l4_test::suite![
    implicit::an_empty_slot_does_not_exist,
    implicit::an_answer_is_given_once,
    implicit::an_answer_with_the_label_of_a_request_is_an_answer,
    implicit::an_empty_slot_is_followed_by_no_wait,
    implicit::a_send_makes_no_reply_capability,
    implicit::a_send_leaves_the_slot_alone,
    implicit::a_wait_in_vain_leaves_the_slot_alone,
    implicit::a_kernel_object_leaves_the_slot_alone,
    implicit::a_failed_answer_uses_the_slot_up,
    implicit::an_answer_by_another_way_uses_the_slot_up,
    implicit::the_send_of_a_third_thread_leaves_the_slot_alone,
    implicit::a_caller_that_gave_up_cannot_be_answered,
    implicit::a_closed_wait_makes_no_reply_capability,
    implicit::reply_and_receive_waits_for_the_caller,
    implicit::a_receive_without_answer_uses_the_slot_up,
    explicit::a_caller_can_be_answered_late_and_out_of_order,
    explicit::only_the_called_thread_can_answer,
    explicit::an_empty_slot_leaves_the_implicit_one_alone,
    explicit::an_index_beyond_the_slots_cannot_be_used,
    explicit::both_special_bits_mean_the_implicit_slot,
    lost::an_overwritten_caller_gets_an_error,
    lost::a_caller_of_a_destroyed_thread_gets_an_error,
    lost::a_caller_in_an_overwritten_explicit_slot_gets_an_error,
    lost::a_caller_in_an_explicit_slot_learns_that_the_called_thread_is_gone,
];
