//! What the kernel tells the machine of a virtual machine, and what comes
//! back of it.

use crate::arch::paging::Root;
use crate::arch::tlb::{Residence, Tlbs};

/// What a vCPU is to run.
pub struct Guest<'a> {
    /// The memory of the virtual machine.
    pub root: Root,
    /// Which CPUs know something of that.
    pub residence: &'a Residence,
    /// What all CPUs know.
    pub tlbs: &'a Tlbs,
    /// The vCPU: a number that no other one has or had.
    pub vcpu: u64,
    /// It did not run on this CPU the last time, or it had another state.
    pub has_moved: bool,
}

/// Why a guest does not run any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// For a reason that is in the vCPU's state, and is for the VMM.
    Vmm,
    /// The CPU is interrupted. The guest goes on from the vCPU's state.
    Interrupt,
    /// It did not run: the vCPU's state is wrong.
    Invalid,
}
