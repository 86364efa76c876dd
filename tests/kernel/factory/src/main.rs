//! Factories and quota (`abi/05` Factory).
#![no_std]
#![no_main]

mod give_back;
mod objects;
mod quota;
mod refusal;

l4_test::suite![
    objects::every_kind_is_answered_alike,
    objects::a_task_tells_its_area,
    objects::a_new_capability_has_all_rights,
    objects::a_full_buffer_names_a_slot_too,
    objects::an_occupied_slot_loses_its_object,
    objects::without_receive_phase_nothing_is_made,
    refusal::the_special_right_is_needed,
    refusal::unknown_protocols_are_refused,
    refusal::unknown_kinds_are_refused,
    refusal::what_needs_other_hardware_is_refused,
    refusal::a_buffer_is_needed,
    refusal::slots_beyond_the_space_cannot_be_filled,
    refusal::wrong_gates_are_refused,
    refusal::wrong_tasks_are_refused,
    refusal::wrong_factories_are_refused,
    quota::it_bounds_what_is_made,
    quota::a_factory_is_charged_to_its_parent,
    quota::capability_tables_are_charged,
    quota::objects_outlive_their_factory,
    give_back::gates,
    give_back::threads,
    give_back::tasks,
    give_back::factories,
    give_back::interrupts_and_semaphores,
    give_back::mappings,
    give_back::kernel_user_memory,
];
