//! The fuzzer's program for [`fuzz_targets::switch`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::switch(bytes));
