//! The compiled system description: what `xtask` makes of a configuration file and ned reads at boot.
//!
//! A description is one flat block: magic, version and length, the records one after the other, and a
//! checksum over everything before it. [`Description::parse`] reads and checks all of it once; a damaged
//! block gives an [`Error`] and never a panic.
//!
//! ```
//! # fn use_it(module: &[u8]) -> Result<(), system_description::Error> {
//! let description = system_description::Description::parse(module)?;
//! for component in &description.components {
//!     let (name, program) = (component.name, component.program);
//!     for arg in &component.args { /* ... */ }
//! }
//! # Ok(()) }
//! ```
//!
//! Files: `model` the records, `fields` how they are stored, `reader` parsing, `writer` (feature `write`).
#![no_std]
#![forbid(unsafe_code)]
#![forbid(unstable_features)]

extern crate alloc;

mod checksum;
mod error;
mod fields;
mod model;
mod reader;
#[cfg(feature = "write")]
pub mod writer;

pub use error::Error;
pub use model::{
    Capability, CapabilityKind, Channel, Component, Dataspace, Grant, Restart, Rights, Runtime,
};
pub use reader::Description;
#[cfg(feature = "write")]
pub use writer::{Colour, seal};

/// Version of the format. A reader takes exactly this one.
pub const VERSION: u32 = 3;

/// Name of the boot module that holds the description.
pub const MODULE_NAME: &str = "system.brio";

/// Longest name of a capability in bytes: L4Re's environment holds 16 with the final zero (abi/08 §8).
pub const CAPABILITY_NAME_MAX: usize = 15;

/// Longest name of a system, component or program in bytes.
pub const NAME_MAX: usize = 32;

/// Largest description in bytes that a reader looks at.
pub const LENGTH_MAX: usize = 1 << 20;

/// Most components that a system can have; keeps the tables of ned small.
pub const COMPONENTS_MAX: usize = 128;

/// Highest priority that a component can have; those above are moe's and ned's.
pub const PRIORITY_MAX: u8 = 239;
