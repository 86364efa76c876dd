//! vCPUs (`abi/06` §1 to §4).
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;

mod control;
mod guest;
mod kernel_mode;
mod message;
mod other_cpu;
mod resume;
mod user_mode;

l4_test::suite![
    control::the_state_must_lie_in_kernel_user_memory,
    control::the_request_must_be_complete,
    control::another_thread_can_be_made_a_vcpu,
    control::the_state_starts_as_the_user_left_it,
    control::the_state_can_be_moved,
    kernel_mode::an_exception_enters,
    kernel_mode::a_page_fault_enters,
    kernel_mode::an_own_interrupt_enters_behind_its_trigger,
    kernel_mode::an_interrupt_of_others_enters,
    kernel_mode::the_flag_alone_chooses_the_stack,
    kernel_mode::system_calls_stay_system_calls,
    kernel_mode::who_receives_gets_messages_the_normal_way,
    kernel_mode::messages_are_held_while_a_fault_is_reported,
    resume::user_mode_needs_a_user_task,
    resume::a_user_task_can_be_given_up,
    resume::a_user_task_needs_the_special_right,
    resume::a_cached_user_task_is_not_looked_up_again,
    resume::only_the_thread_itself_resumes_and_only_as_a_vcpu,
    resume::items_are_mapped_before_it_goes_on,
    resume::capabilities_can_be_mapped_too,
    resume::nothing_is_mapped_by_a_nil_flexpage,
    resume::items_for_a_task_that_is_gone_are_refused,
    resume::a_message_that_waits_enters_at_once,
    resume::a_message_that_does_not_wait_is_an_error,
    resume::without_the_flag_user_mode_goes_first,
    message::an_interrupt_enters,
    message::a_call_enters_and_can_be_answered_once,
    message::nobody_waits_for_an_answer_to_a_send,
    message::a_gate_adds_its_label,
    message::further_messages_wait_and_are_announced,
    message::a_sender_that_gives_up_is_not_announced_any_more,
    message::without_the_flag_messages_wait,
    other_cpu::no_interrupt_is_lost,
    other_cpu::calls_are_answered,
    other_cpu::it_moves_while_messages_come,
    other_cpu::it_ends_in_its_user_task,
    user_mode::a_system_call_enters_at_its_instruction,
    user_mode::an_undefined_instruction_enters,
    user_mode::all_registers_go_both_ways,
    user_mode::a_system_call_has_all_registers_whatever_it_asks,
    user_mode::a_system_call_after_an_interruption_has_all_registers,
    user_mode::each_mode_has_thread_registers_of_its_own,
    user_mode::page_faults_enter,
    user_mode::a_fault_is_repeated_after_the_resume,
    user_mode::the_fpu_can_be_denied,
    user_mode::user_tasks_can_be_changed_at_each_resume,
    user_mode::a_deleted_user_task_is_an_empty_one,
    arch::other_exceptions_enter,
    arch::registers_that_a_resume_must_not_choose_are_harmless,
];
