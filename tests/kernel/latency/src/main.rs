//! Operations that take the kernel long, each at its worst: as large as a flexpage can be, or with thousands of threads
//! that wait, while a timer fires again and again.
//!
//! * [`crowd`]: the threads.
//! * [`memory`], [`capability`], `waiting`: the operations.
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;
mod capability;
mod crowd;
mod memory;
mod waiting;

l4_test::suite![
    memory::a_page_that_was_mapped_often_goes,
    memory::a_page_at_the_start_of_a_long_chain_goes,
    memory::much_memory_comes_and_goes,
    memory::much_memory_comes_with_a_message,
    memory::much_memory_comes_with_a_reply,
    memory::much_kernel_user_memory_comes_and_goes,
    capability::many_capabilities_come_and_go,
    capability::many_capabilities_come_with_a_message,
    capability::an_object_with_many_capabilities_goes,
    capability::the_only_capabilities_to_many_objects_go,
    waiting::a_gate_is_bound_for_which_many_wait,
    waiting::a_gate_goes_for_which_many_wait,
    waiting::a_semaphore_goes_for_which_many_wait,
    waiting::a_receiver_goes_for_whom_many_wait,
    waiting::labels_of_many_senders_change,
    waiting::one_of_many_senders_is_awaited,
    waiting::one_of_many_interrupts_is_awaited,
    waiting::many_callers_lose_their_server,
    waiting::many_waits_end_at_once,
    arch::many_ports_come_and_go,
];
