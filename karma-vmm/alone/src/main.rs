//! karma-vmm in moe's place: one virtual machine, and nothing else that it would have to trust.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

l4_rt::root_entry!(karma_vmm::vmm::root::main);
