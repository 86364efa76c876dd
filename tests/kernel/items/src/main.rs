//! Typed items and receive buffers (`abi/03` §4).
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;
mod buffer;
mod malformed;
mod memory;
mod object;
mod partner;

l4_test::suite![
    object::a_capability_arrives_in_its_slot,
    object::a_range_of_capabilities_arrives_in_a_window,
    object::a_flexpage_of_all_slots_is_cut_to_one,
    object::without_the_read_right_nothing_is_mapped,
    object::an_empty_slot_maps_nothing,
    object::the_special_right_passes_only_through_a_special_capability,
    object::a_missing_server_right_cannot_be_regained,
    object::a_grant_moves_the_capability,
    object::a_weak_capability_does_not_keep_its_object,
    object::what_is_made_of_a_weak_capability_is_weak,
    object::an_occupied_slot_loses_its_object,
    object::local_identity_of_the_own_task_is_the_flexpage,
    object::an_empty_slot_can_be_identified_locally,
    memory::a_page_is_shared,
    memory::a_large_item_is_cut_to_a_small_window,
    memory::a_small_item_finds_its_place_in_a_large_window,
    memory::memory_that_is_not_there_maps_nothing,
    memory::without_any_right_nothing_is_mapped,
    memory::orders_below_a_page_map_nothing,
    memory::kernel_user_memory_is_no_source,
    buffer::without_buffer_an_item_overflows,
    buffer::more_items_than_buffers_overflow,
    buffer::a_void_item_uses_no_buffer,
    buffer::a_compound_item_keeps_the_buffer,
    buffer::each_space_has_its_own_buffers,
    buffer::a_buffer_of_another_space_maps_nothing,
    buffer::a_window_of_everything_takes_everything,
    buffer::an_item_is_forwarded_to_another_task,
    buffer::forwarding_needs_a_task_with_write_right,
    malformed::wrong_control_words_overflow,
    malformed::items_beyond_the_registers_overflow,
    malformed::both_partners_see_the_error,
    malformed::items_before_the_wrong_one_stay,
    arch::io_ports,
];
