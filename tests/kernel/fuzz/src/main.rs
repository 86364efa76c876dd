//! Random system calls of untrusted tasks: crate `fuzz` says which, three tasks here make them.
//!
//! A *round* ([`arena`]) is a factory, tasks, threads and objects, and the steps of one seed, which
//! the threads share between them: whoever runs takes the next step ([`attacker`]). The runner
//! watches ([`supervisor`]): it brings back what they unmapped, and frees them when all are stuck.
//! At the end of a round everything is destroyed, and the factory's quota must be back, to the
//! last byte. The kernel must not panic; the runner and its watchdog must get on.
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;

mod arena;
mod attacker;
mod supervisor;

use l4_test::{console, suite};

use crate::arena::Arena;

l4_test::suite![random_calls_harm_nobody];

/// Most calls in a round.
const ROUND: u64 = 20_000;
/// How many rounds in a row may end before a call is counted: who counts is attacked too, and attackers wait for their
/// program's pages, on a busy host for long.
const MAX_EMPTY_ROUNDS: u32 = 30;

fn random_calls_harm_nobody() {
    let question = "how many calls, from which seed?";
    let [calls, first_seed] = console::ask(question, [100_000, 1]);
    let mut arena = Arena::new();
    let mut left = calls;
    let mut seed = first_seed;
    let mut empty_rounds = 0;
    while left > 0 {
        console::print(format_args!("seed {seed}, {left} calls to go"));
        let made = supervisor::round(&mut arena, seed, left.min(ROUND));
        empty_rounds = if made > 0 { 0 } else { empty_rounds + 1 };
        assert!(empty_rounds <= MAX_EMPTY_ROUNDS, "nobody attacks");
        left = left.saturating_sub(made.min(ROUND));
        seed += 1;
        suite::is_alive();
    }
}
