//! x86_64: 64-bit PCs with ACPI, a local APIC and I/O APICs.
//!
//! References: Intel SDM (volume 3 unless said otherwise), AMD APM volume 2.

mod acpi;
pub mod boot;
mod clock_offset;
mod clock_sync;
pub mod console;
pub mod context;
pub(crate) mod copy;
pub mod cpu;
mod descriptors;
pub mod entry_format;
pub mod fpu;
#[cfg(feature = "debugger")]
pub mod inspect;
mod instructions;
mod invalidate;
pub mod ipi;
pub mod irqchip;
#[cfg_attr(not(feature = "isolation"), path = "isolation/absent.rs")]
mod isolation;
mod local_apic;
pub mod paging;
pub(crate) mod panic;
pub mod platform;
mod port_bitmap;
pub mod ports;
mod secondary;
mod stacks;
mod start;
mod svm;
pub mod syscall;
pub mod timer;
pub mod tlb;
pub mod trap;
pub(crate) mod vcpu;
pub mod vm;
#[cfg_attr(not(feature = "vmx"), path = "vmx/absent/mod.rs")]
mod vmx;
mod window;
