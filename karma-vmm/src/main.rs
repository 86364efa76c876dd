//! karma-vmm as a program: one virtual machine, as the configuration describes it.
//!
//! `vmm` is what the program adds to the library's models: the guest's memory, clock, input, and in a
//! folder for each architecture the loop that runs the guest and serves its exits.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod vmm;

l4_rt::entry!(vmm::main);
