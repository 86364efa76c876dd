//! What user mode gets to see: of the kernel nothing, and of memory nothing that was there before.
//!
//! * [`registers`]: all registers of a thread after each kind of stay in the kernel.
//! * [`words`]: what the kernel writes to UTCBs and vCPU states, and the kernel info page.
//! * [`reuse`]: memory of the kernel that was somebody else's.
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;
mod probe;
mod registers;
mod reuse;
mod words;

l4_test::suite![
    registers::after_a_send_to_nobody,
    registers::after_an_operation_on_a_kernel_object,
    registers::after_an_operation_on_a_thread,
    registers::after_a_call_of_another_thread,
    registers::after_a_call_of_another_cpu,
    registers::after_a_message_that_came_later,
    registers::after_a_timeout,
    registers::after_a_cancelled_wait,
    registers::after_a_page_fault,
    registers::after_a_trap_for_the_fpu,
    registers::after_preemption,
    registers::after_a_move_to_another_cpu,
    registers::in_a_triggered_exception,
    registers::at_the_entry_of_a_vcpu,
    words::a_failed_send_writes_its_error_only,
    words::an_operation_writes_its_results_only,
    words::an_answer_writes_its_words_only,
    words::an_exception_message_writes_the_frame_only,
    words::a_page_fault_message_writes_two_words_only,
    words::a_new_vcpu_state_is_empty_but_for_version_and_host,
    words::the_kernel_info_page_tells_no_address_of_the_kernel,
    reuse::kernel_user_memory_is_zero,
    reuse::page_tables_are_empty,
    reuse::capability_tables_are_empty,
    reuse::fpu_registers_are_empty,
];
