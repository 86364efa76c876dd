//! How a figure comes about: many samples of a loop of operations, in ticks of the CPU's counter.
//!
//! QEMU with `-icount` lets the counter follow the number of executed instructions. On x86_64 a tick
//! is an instruction, on aarch64 16 instructions are; [`calibrate`] tells which. So loops are long,
//! and the host divides.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::arch;
use crate::print;

/// Samples of which minimum and median are taken.
const SAMPLES: usize = 101;

/// Rounds of the loop whose instructions are known.
const ROUNDS: u64 = 100_000;

/// Ticks that reading the counter twice takes by itself.
static COST: AtomicU64 = AtomicU64::new(0);

/// Finds out what the counter counts, and what reading it costs. Prints `bench scale INSTRUCTIONS
/// TICKS`.
pub(crate) fn calibrate() {
    let start = arch::counter();
    let instructions = arch::count_down(ROUNDS);
    let ticks = arch::counter() - start;
    print(format_args!("bench scale {instructions} {ticks}"));
    let costs = (0..SAMPLES).map(|round| {
        stagger(round);
        let start = arch::counter();
        arch::counter() - start
    });
    COST.store(costs.sum::<u64>() / SAMPLES as u64, Relaxed);
}

/// Lets instructions pass, in each round of a loop another odd number more. So operations that are
/// measured one by one begin at all points of a tick alike; if all began at the same, of each the
/// same part of a tick would be missing, or be too much.
#[inline(always)]
pub(crate) fn stagger(round: usize) {
    arch::count_down(round as u64 + 1);
}

/// The ticks from `start` until now, without those of measuring.
#[inline(always)]
pub(crate) fn since(start: u64) -> u64 {
    between(start, arch::counter())
}

/// The ticks from `start` to `end`, without those of measuring.
#[inline(always)]
pub(crate) fn between(start: u64, end: u64) -> u64 {
    (end - start).saturating_sub(COST.load(Relaxed))
}

/// Takes samples, each of `operations` operations, and prints the row: `bench row NAME CROWD
/// OPERATIONS MINIMUM MEDIAN`, the last two in ticks of one sample.
pub(crate) fn row(name: &str, crowd: usize, operations: usize, mut sample: impl FnMut() -> u64) {
    // What is done for the first time costs more: page tables, slots.
    sample();
    let mut samples = [0; SAMPLES];
    samples.fill_with(sample);
    samples.sort_unstable();
    let (minimum, median) = (samples[0], samples[SAMPLES / 2]);
    print(format_args!(
        "bench row {name} {crowd} {operations} {minimum} {median}"
    ));
}
