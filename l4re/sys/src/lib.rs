//! System calls, the UTCB and typed capabilities: the floor that every user program stands on.
//!
//! * `arch` (`x86_64/`, `aarch64/`, `hosted/`): the system-call instruction and the registers that
//!   name the current thread. `hosted` lets the layers above run under `cargo test`: the "kernel"
//!   is a closure of the test.
//! * [`utcb`]: the calling thread's message and buffer registers.
//! * [`capability`]: [`Cap`], a typed selector, and [`OwnedCap`], which gives its slot back.
//! * [`slots`]: which capability slots of this task are free.
//! * [`attempt`]: what failed, in words.
//! * [`vcpu`]: the calling thread as a virtual CPU.
//! * [`sigma0`]: what the root pager is asked for.
//! * [`ipc`]: the IPC operations; [`mod@object`]: the kernel's objects, one file each.
//!
//! **Where `unsafe` is.** A message can change what this task has mapped, so in the strictest
//! reading every invocation could invalidate a Rust reference. As with files like `/proc/self/mem`
//! elsewhere, that lies outside the language: invoking a capability is safe, turning an address
//! into a reference is not, and whoever does so (`l4-rt`, `l4-memory`) answers for the mapping.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unstable_features)]

#[cfg_attr(not(target_os = "none"), path = "hosted/mod.rs")]
#[cfg_attr(
    all(target_os = "none", target_arch = "x86_64"),
    path = "x86_64/mod.rs"
)]
#[cfg_attr(
    all(target_os = "none", target_arch = "aarch64"),
    path = "aarch64/mod.rs"
)]
pub mod arch;

pub mod attempt;
pub mod capability;
pub mod error;
pub mod fatal;
pub mod ipc;
pub mod object;
pub mod sigma0;
pub mod slots;
pub mod utcb;
pub mod vcpu;

pub use capability::{AnyObject, Cap, Object, OwnedCap, Passed, Slot};
pub use error::{Error, Result};
pub use l4_abi::capability::Selector;
pub use utcb::Utcb;
