//! One component uses up each resource of the kernel. It gets an error, others go on, and in the
//! end everything is given back.
//!
//! * [`alone`]: the one who uses up, the bystander, and what must be the same afterwards.
//! * [`objects`], [`tables`], [`threads`], [`interrupts`], [`numbers`]: what is used up.
#![no_std]
#![no_main]

mod alone;
#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;
mod interrupts;
mod numbers;
mod objects;
mod tables;
mod threads;

l4_test::suite![
    objects::objects_of_each_kind,
    objects::all_kernel_memory_there_is,
    tables::capability_tables,
    tables::mapping_nodes,
    tables::page_tables,
    tables::kernel_user_memory,
    tables::chunks_of_kernel_user_memory,
    tables::reply_slots,
    threads::fpu_registers,
    threads::who_has_nothing_left_has_messages_and_timeouts,
    threads::threads_with_timeouts,
    interrupts::many_pending_interrupts,
    interrupts::all_pins,
    numbers::more_tasks_than_the_processor_can_tell_apart,
];
