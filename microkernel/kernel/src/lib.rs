//! The capability microkernel: objects, IPC, mapping and scheduling.
//!
//! Architecture-neutral and without unsafe code; what touches the hardware,
//! or needs raw memory, is in the `machine` crate. There are no statics: all
//! state hangs off the [`kernel::Kernel`] and [`cpu::Cpu`] values that are
//! passed in, so that many kernels run in one test process.
//!
//! The way of a system call: [`syscall`] decodes what it addresses; [`ipc`]
//! carries messages between threads, [`object`] performs operations on kernel
//! objects; [`scheduling`] decides who runs when the kernel is left.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]
// What has a `new` is made by name; nothing asks for a default.
#![allow(clippy::new_without_default)]
#![cfg_attr(guided, no_main)]

pub mod capability;
pub mod cpu;
#[cfg_attr(not(any(test, feature = "debugger")), path = "debugger/absent.rs")]
pub mod debugger;
#[cfg_attr(
    any(not(feature = "fast-paths"), feature = "trace"),
    path = "fast/absent.rs"
)]
mod fast;
pub mod fault;
pub mod init;
pub mod ipc;
pub mod kernel;
#[cfg_attr(not(any(test, feature = "measure")), path = "latency/absent.rs")]
pub mod latency;
pub mod mapping;
pub mod memory;
pub mod object;
pub mod remote;
pub mod scheduling;
pub mod syscall;
#[cfg(test)]
mod testing;
#[cfg_attr(not(any(test, feature = "trace")), path = "trace/absent.rs")]
pub mod trace;
mod upcalls;
