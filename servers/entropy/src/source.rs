//! Where seeds come from.
//!
//! 1. The processor's generator: RDSEED, or RDRAND, which trusts its maker.
//! 2. Jitter: how long the same work takes, in the finest clock that there is. Nobody has shown how
//!    much entropy that has on a given machine, and an emulator that counts instructions has none. So
//!    it is only used if the configuration says so, and if it varies at all.

use core::fmt;
use core::hint::black_box;

use l4_rt::time;
use l4_sys::arch::random;

use crate::chacha;
use crate::generator::Generator;

/// Words that a seed is made of.
const HARDWARE_SAMPLES: usize = 8;
const JITTER_SAMPLES: usize = 1024;
/// So many of the differences between samples must be of a kind of their own.
const LEAST_KINDS: usize = 8;

/// What a seed was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The processor's generator.
    Hardware,
    /// Jitter alone.
    Jitter,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Hardware => "the processor's generator, and jitter",
            Self::Jitter => "jitter alone, which may be guessed",
        })
    }
}

/// A generator with a seed.
///
/// # Errors
/// If there is no source, or only jitter, and that may not be used or does not vary.
pub fn seeded(may_use_jitter: bool) -> Result<(Source, Generator), &'static str> {
    let mut generator = Generator::new();
    let mut samples = [0; JITTER_SAMPLES];
    samples.iter_mut().for_each(|sample| *sample = measure());
    samples.iter().for_each(|sample| generator.add(*sample));
    let words = (0..HARDWARE_SAMPLES).map_while(|_| random::word());
    let found = words.map(|word| generator.add(word)).count();
    match found {
        HARDWARE_SAMPLES => Ok((Source::Hardware, generator)),
        _ if !may_use_jitter => {
            Err("the processor has no generator; the argument `jitter` allows to do without")
        }
        _ if !varies(&samples) => Err("neither a generator in the processor nor any jitter"),
        _ => Ok((Source::Jitter, generator)),
    }
}

/// The clock after some work.
fn measure() -> u64 {
    black_box(chacha::block(&[0; chacha::KEY], 0, [0; 3]));
    time::now_precise().as_nanos() as u64
}

/// Whether the differences are of enough kinds.
fn varies(samples: &[u64]) -> bool {
    let mut kinds = [0; LEAST_KINDS];
    let mut count = 0;
    for pair in samples.windows(2) {
        let difference = pair[1].wrapping_sub(pair[0]);
        if count < LEAST_KINDS && !kinds[..count].contains(&difference) {
            kinds[count] = difference;
            count += 1;
        }
    }
    count == LEAST_KINDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_only_counts_has_no_jitter() {
        let regular: [u64; 100] = core::array::from_fn(|at| at as u64 * 17);
        assert!(!varies(&regular));
        let two_kinds: [u64; 100] = core::array::from_fn(|at| at as u64 * 17 + at as u64 % 2);
        assert!(!varies(&two_kinds));
        let square: [u64; 100] = core::array::from_fn(|at| at as u64 * at as u64);
        assert!(varies(&square));
    }
}
