//! FPU state: its own for each thread, and passed on by messages (`abi/02` FPU transfer).
//!
//! The kernel may move the state or copy it, so tests do not look at what a sender has left.
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;
mod exception;
mod own_state;
mod transfer;

l4_test::suite![
    own_state::a_thread_begins_with_an_empty_one,
    own_state::threads_that_take_turns_keep_theirs,
    transfer::a_message_can_carry_it,
    transfer::who_never_used_it_gets_it_too,
    transfer::without_the_flag_it_stays,
    transfer::who_does_not_inherit_it_keeps_its_own,
    transfer::the_special_right_is_needed,
    transfer::an_answer_can_carry_it,
    exception::the_handler_can_inherit_it,
    exception::a_handler_that_never_uses_it_gives_it_back,
    exception::the_handler_can_replace_it,
];
