//! Tasks (`abi/05` Task, `abi/03` §4.7, §5).
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;

mod access_flags;
mod capability;
mod kernel_user_memory;
mod life;
mod map;
mod replace;
mod request;
mod unmap;

l4_test::suite![
    request::unknown_protocols_are_refused,
    request::unknown_operations_are_refused,
    request::every_operation_is_a_request,
    request::only_mapping_needs_a_right,
    map::a_page_goes_to_another_task_and_back,
    map::rights_only_become_fewer,
    map::mapping_needs_the_write_right,
    map::a_source_is_needed,
    map::what_is_not_there_is_skipped,
    map::a_task_can_map_to_itself,
    map::a_better_mapping_of_the_same_page_adds_rights,
    map::a_large_page_can_be_mapped_in_parts,
    map::a_granted_page_leaves_its_task,
    map::capabilities_lose_the_special_right_unless_both_tasks_have_it,
    map::slots_beyond_the_space_are_skipped,
    replace::another_page_takes_the_place_and_all_that_came_of_it,
    replace::kernel_user_memory_is_no_target,
    replace::addresses_beyond_the_user_range_are_skipped,
    replace::a_part_of_a_large_page_takes_all_of_it,
    replace::a_part_granted_of_a_large_page_is_mapped,
    replace::the_cache_mode_can_be_another,
    replace::without_kernel_memory_a_mapping_fails,
    replace::a_capability_upon_itself_is_lost,
    replace::a_capability_of_the_same_object_takes_the_place,
    unmap::other_spaces_lose_what_they_got,
    unmap::all_spaces_include_the_own,
    unmap::the_whole_tree_below_goes,
    unmap::write_can_be_revoked_alone,
    unmap::execute_can_be_revoked_alone,
    unmap::orders_below_a_page_unmap_nothing,
    unmap::kernel_user_memory_stays,
    unmap::several_flexpages_go_at_once,
    unmap::the_answer_comes_without_receive_phase_too,
    access_flags::what_was_done_is_told,
    access_flags::the_own_ones_are_told_with_those_of_all_spaces,
    access_flags::capabilities_have_none,
    capability::validity_is_told,
    capability::equality_is_told,
    capability::special_selectors_name_no_slot,
    capability::wrong_counts_are_refused,
    capability::releasing_empties_one_slot,
    capability::deleting_empties_all_slots,
    capability::without_the_delete_right_deleting_is_releasing,
    capability::revoking_write_shows_in_labels,
    kernel_user_memory::areas_are_added,
    kernel_user_memory::several_areas_can_be_added_at_once,
    kernel_user_memory::wrong_areas_are_refused,
    kernel_user_memory::areas_must_not_overlap_anything,
    arch::segments_and_ports,
    life::a_deleted_task_gives_back_what_it_passed_on,
    life::a_thread_outlives_its_task_until_it_faults,
];
