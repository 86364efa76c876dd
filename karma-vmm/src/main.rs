//! karma-vmm as a program: see the library for what it does.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

l4_rt::entry!(karma_vmm::vmm::component::main);
