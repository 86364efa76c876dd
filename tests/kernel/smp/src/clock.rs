//! Time, which is the same on all CPUs.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::timeout::Timeout;
use l4_test::message::{nobody, receive};
use l4_test::{kip, spawn_on};

use crate::parallel::others;

/// How often two CPUs show each other their clocks. Each time an emulator on a busy host may have
/// to wait for its turn.
const ROUNDS: u64 = 12;

/// What was shown last: whose turn it is in the lowest bit, and the time.
static SHOWN: AtomicU64 = AtomicU64::new(0);

/// Waits for its turn, and shows the own clock. False if the other's was ahead.
fn show(turn: u64) -> bool {
    loop {
        let shown = SHOWN.load(SeqCst);
        if shown & 1 == turn {
            let now = kip::nanos();
            SHOWN.store(now << 1 | (1 - turn), SeqCst);
            return shown >> 1 <= now;
        }
        spin_loop();
    }
}

pub(crate) fn the_clock_goes_forward_from_cpu_to_cpu() {
    for cpu in others() {
        SHOWN.store(0, SeqCst);
        let other = spawn_on(cpu, || (0..ROUNDS).all(|_| show(1)));
        let forward = (0..ROUNDS).all(|_| show(0));
        assert!(other.join() && forward, "CPU {cpu}");
    }
}

/// How long at most is for `ipc`'s tests of timeouts to say, whose time is virtual.
pub(crate) fn a_sleep_lasts_its_time_on_each_cpu() {
    for cpu in others() {
        let begin = kip::micros();
        spawn_on(cpu, || receive(nobody(), Timeout::from_micros(20_000))).join();
        let time = kip::micros() - begin;
        // Clocks tick, and are rounded.
        assert!(time >= 19_900, "CPU {cpu}: {time} µs");
    }
}
