//! Many CPUs (`abi/05` Scheduler; `abi/07` for how they start). With one CPU the tests that need
//! more have nothing to do.
#![no_std]
#![no_main]

mod clock;
mod cpus;
mod memory;
mod parallel;
mod shootdown;

l4_test::suite![
    cpus::all_cpus_are_told,
    cpus::a_set_begins_at_its_offset,
    cpus::a_bit_of_a_coarse_set_is_many_cpus,
    memory::what_is_deleted_can_be_used_at_once,
    memory::what_is_deleted_can_be_used_while_others_work,
    parallel::a_thread_runs_on_each_cpu,
    clock::the_clock_goes_forward_from_cpu_to_cpu,
    clock::a_sleep_lasts_its_time_on_each_cpu,
    shootdown::no_cpu_writes_to_a_page_that_is_gone,
    shootdown::no_cpu_writes_to_a_page_that_it_may_only_read,
    shootdown::two_cpus_take_pages_from_each_other,
];
