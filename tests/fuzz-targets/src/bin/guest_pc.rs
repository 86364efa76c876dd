//! The fuzzer's program for [`fuzz_targets::guest::pc`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::guest::pc(bytes));
