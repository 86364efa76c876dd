//! Kernel memory: what is free, and who pays for the rest.

use core::fmt;

use super::command::Arguments;
use super::registry::{Label, Objects};
use super::terminal::{Terminal, say};
use crate::cpu::Cpu;
use crate::memory::quota::QuotaRef;
use crate::object::factory::Factory;

/// Frames, slabs and quotas.
pub(super) fn list(cpu: &Cpu, terminal: &Terminal<'_>, _arguments: &mut Arguments<'_>) {
    let heap = &cpu.kernel.heap;
    say!(
        terminal,
        "in use {} KiB, in free frames {} KiB",
        heap.used() >> 10,
        heap.available() >> 10
    );
    say!(
        terminal,
        "{:>6} {:>18} {:>12}",
        "block",
        "frames with room",
        "free blocks"
    );
    heap.each_slab(|size, frames, free| {
        say!(terminal, "{size:>6} {frames:>18} {free:>12}");
    });
    let Some(objects) = Objects::of(cpu, terminal) else {
        return;
    };
    for (header, factory) in objects.of_type::<Factory>() {
        say!(
            terminal,
            "factory {}: {}",
            Label(header),
            Quota(factory.quota())
        );
    }
}

/// How much of a quota is used.
pub(super) struct Quota(pub(super) QuotaRef);

impl fmt::Display for Quota {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, limit) = (self.0.used(), self.0.limit());
        match self.0.is_limited() {
            true => write!(out, "{used} of {limit} bytes"),
            false => write!(out, "{used} bytes, no limit"),
        }
    }
}
