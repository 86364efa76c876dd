//! Messages between threads (`abi/01`, `abi/03` §1, §2, §8).
#![no_std]
#![no_main]

mod call;

l4_test::suite![call::a_call_brings_the_answer,];
