//! In place of the measurement in kernels without it: nothing, at no cost.
//! What each function notes is said in `mod.rs`.

use machine::event::Source;

use crate::cpu::Cpu;

/// Nothing is measured.
pub struct Latency;

impl Latency {
    /// Nothing.
    #[inline(always)]
    pub const fn new() -> Self {
        Self
    }
}

/// Nothing is noted.
#[inline(always)]
pub fn syscall(_cpu: &Cpu, _tag: u64) {}

/// Nothing is noted.
#[inline(always)]
pub fn fault(_cpu: &Cpu) {}

/// Nothing is noted.
#[inline(always)]
pub fn interrupt(_cpu: &Cpu, _source: Source) {}

/// Nothing is noted.
#[inline(always)]
pub fn look(_cpu: &Cpu) {}

/// Nothing is noted.
#[inline(always)]
pub fn leave(_cpu: &Cpu) {}

/// Nothing is printed.
#[inline(always)]
pub fn report(_cpu: &Cpu) {}
