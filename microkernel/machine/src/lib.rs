//! The hardware, and the kernel's only unsafe code.
//!
//! One folder an architecture, with the same file names in each: `x86_64`,
//! `aarch64`, and `hosted`, a machine that lives in a test process. The rest
//! of this crate is the same everywhere: the ways in which kernel state is
//! shared ([`object`], [`list`], [`cell`], [`lock`]), and the views of memory
//! that user mode can write to ([`utcb`]).
//!
//! The kernel is called through [`upcalls!`] and calls back through the
//! functions of the architecture's modules. Interrupts are off whenever
//! kernel code runs; nothing stays on a kernel stack between two entries.
#![cfg_attr(target_os = "none", no_std)]
// What has a `new` is made by name; nothing asks for a default.
#![allow(clippy::new_without_default)]

#[cfg_attr(
    all(target_os = "none", target_arch = "x86_64"),
    path = "x86_64/mod.rs"
)]
#[cfg_attr(
    all(target_os = "none", target_arch = "aarch64"),
    path = "aarch64/mod.rs"
)]
#[cfg_attr(not(target_os = "none"), path = "hosted/mod.rs")]
mod arch;

pub use arch::{
    boot, console, context, cpu, entry_format, fpu, ipi, irqchip, paging, platform, ports, syscall,
    timer, tlb, trap, vm,
};

#[cfg(any(feature = "debugger", not(target_os = "none")))]
pub use arch::inspect;

#[cfg(not(any(target_os = "none", loom)))]
pub use arch::meanwhile;

pub mod address;
pub mod cell;
pub mod event;
pub mod fpu_area;
pub mod guest;
pub mod handle;
// A hosted machine starts no CPUs: a test is as many as it likes.
#[cfg(any(target_os = "none", test))]
mod handover;
pub mod inbox;
pub mod kernel_memory;
pub mod kip;
pub mod list;
pub mod lock;
pub mod memory;
pub mod object;
pub mod once_array;
pub mod options;
pub mod page_table;
// A hosted kernel panics as its test does.
#[cfg(target_os = "none")]
pub mod panic;
pub mod per_cpu;
pub mod quiescence;
// A hosted machine has a lock that tests look at.
#[cfg(target_os = "none")]
mod spin_lock;
pub mod sync;
// The kernel's own parts that CPUs share without a lock, which loom tries here.
#[cfg(all(test, loom))]
extern crate self as machine;
#[cfg(all(test, loom))]
mod tests;
pub mod trampoline;
pub mod utcb;
pub mod vcpu;
