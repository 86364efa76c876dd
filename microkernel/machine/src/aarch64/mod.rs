//! aarch64: the kernel at EL2 without VHE, on a GIC and the generic timer.
//!
//! User mode is EL0 with `HCR_EL2.TGE`: all its exceptions come here, stage 1
//! is off, and stage 2 is the task's address space. The kernel's own space,
//! TTBR0_EL2, maps one to one what the kernel owns ([`boot`]).
//!
//! References are to the Arm Architecture Reference Manual for A-profile
//! (DDI 0487) unless said otherwise.

#[macro_use]
mod register;

pub mod boot;
pub mod console;
pub mod context;
pub(crate) mod copy;
pub mod cpu;
pub mod entry_format;
pub mod fpu;
#[cfg(feature = "debugger")]
pub mod inspect;
mod invalidate;
pub mod ipi;
pub mod irqchip;
mod kernel_space;
mod mmio;
pub mod paging;
pub(crate) mod panic;
pub mod platform;
pub mod ports;
mod processor_state;
mod psci;
mod scaler;
mod secondary;
mod stacks;
mod start;
mod syndrome;
pub mod syscall;
pub mod timer;
pub mod tlb;
pub mod trap;
pub(crate) mod vcpu;
pub mod vm;
