//! Many CPUs (`abi/05` Scheduler; `abi/07` for how they start).
#![no_std]
#![no_main]

mod cpus;
mod memory;

l4_test::suite![
    cpus::all_cpus_are_told,
    cpus::a_set_begins_at_its_offset,
    cpus::a_bit_of_a_coarse_set_is_many_cpus,
    memory::what_is_deleted_can_be_used_at_once,
];
