//! Capabilities: the slots of a task, and what moves between them.

mod space;
mod transfer;

pub use space::{Capability, CapabilityList, CapabilitySpace, Entry, NO_PAGES};
pub use transfer::{Mapping, empty, pass, put, unmap_some};

#[cfg(test)]
mod tests;
