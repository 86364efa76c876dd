//! Everything at once, on all CPUs, for as long as one wants.
//!
//! Actors are threads that do one kind of thing again and again, and check it ([`actor`]). They
//! spread over the CPUs, and the runner moves them about. In the end each must have got on, what was
//! counted on both sides must agree, and all kernel memory must be back.
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;

mod actor;
mod interrupts;
mod memory;
mod messages;
mod objects;
mod vcpus;
mod victims;

use core::time::Duration;

use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::hoard::{FRAGMENTS, kernel_memory, touch_slots};
use l4_test::suite::{self, PRIORITY};
use l4_test::sys::ipc;
use l4_test::{console, kip, own};

use crate::actor::{Cast, Random, Role};

l4_test::suite![everything_at_once];

const ROLES: &[&[Role]] = &[
    messages::ROLES,
    memory::ROLES,
    interrupts::ROLES,
    objects::ROLES,
    vcpus::ROLES,
    victims::ROLES,
];

/// How long actors play before memory is counted for the first time: the kernel keeps some of what was
/// used once.
const REHEARSAL: u64 = 1;
/// How often to look whether memory is back; CPUs may take a moment to let go, on a busy host a long one.
const LOOKS: u32 = 100;
/// After so many seconds every actor must have got on.
const WINDOW: u64 = 20;

fn everything_at_once() {
    let [seconds] = console::ask("for how many seconds?", [10]);
    messages::prepare();
    memory::prepare();
    interrupts::prepare();
    vcpus::prepare();
    victims::prepare();
    touch_slots();
    // Ahead of all actors.
    (own::scheduler().run_thread(own::thread(), CpuSet::ALL, PRIORITY + 1, 0)).unwrap();
    play(REHEARSAL);
    let before = kernel_memory();
    play(seconds);
    let mut after = kernel_memory();
    for _ in 0..LOOKS {
        if after + FRAGMENTS < before {
            ipc::sleep(Duration::from_millis(100));
            suite::is_alive();
            after = kernel_memory();
        }
    }
    assert!(after + FRAGMENTS >= before, "{before} frames, then {after}");
}

/// Lets all actors play for a while.
fn play(seconds: u64) {
    let cpus = actor::cpus();
    let mut cast = Cast::new(ROLES);
    let mut random = Random::new(seconds);
    for second in 1..=seconds {
        // By the clock: on a busy host with many CPUs a step takes long.
        let end = kip::micros() + 1_000_000;
        while kip::micros() < end {
            ipc::sleep(Duration::from_millis(10));
            let cpu = CpuSet::single(random.below(cpus.into()) as u32);
            let actor = cast.any(&mut random);
            (own::scheduler().run_thread(actor, cpu, PRIORITY, 0)).unwrap();
            suite::is_alive();
        }
        if second.is_multiple_of(WINDOW) {
            cast.await_progress();
        }
    }
    cast.await_progress();
    cast.end();
    interrupts::check();
}
