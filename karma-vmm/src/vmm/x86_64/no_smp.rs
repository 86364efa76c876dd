//! Without the feature `smp` there is one CPU, and that has no APIC.

use core::error::Error;

use super::processor::Processor;
use crate::x86_64::msr::NoSuchRegister;
use alloc::boxed::Box;
use l4_memory::Memory;

/// Whether a CPU runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    On,
}

impl Power {
    /// The only CPU runs from the start.
    pub(super) fn at_first(_: u32) -> Self {
        Self::On
    }

    /// Nobody starts it again.
    pub(super) fn is_starting(self) -> bool {
        false
    }
}

/// There is nothing to tell a guest.
pub(super) fn write_tables(_: &impl Memory, _: u8) -> Result<u64, Box<dyn Error>> {
    Ok(0)
}

impl Processor {
    /// It is never stopped.
    pub(super) fn wait_for_start(&mut self) {}

    /// No register is an APIC's.
    pub(super) fn is_of_apic(_: u32) -> bool {
        false
    }

    /// There is none to read.
    pub(super) fn read_apic(&self, _: u32) -> Result<u64, NoSuchRegister> {
        Err(NoSuchRegister)
    }

    /// There is none to write.
    pub(super) fn write_apic(&mut self, _: u32, _: u64) -> Result<(), NoSuchRegister> {
        Err(NoSuchRegister)
    }
}
