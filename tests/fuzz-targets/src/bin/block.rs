//! The fuzzer's program for [`fuzz_targets::block`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::block(bytes));
