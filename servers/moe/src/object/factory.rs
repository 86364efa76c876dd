//! Factory: makes objects, within an account and the limits that go with it.

use super::Payer;
use super::log::Tag;

/// A factory, which clients know as their memory allocator.
#[derive(Clone, Copy, Debug)]
pub struct Factory {
    /// Who pays for its objects. They all go when the factory goes.
    pub payer: Payer,
    /// Whether the payer's kernel factory goes with this one; otherwise another one owns it.
    pub owns_kernel_factory: bool,
    /// What it may hand out beyond memory.
    pub limits: Limits,
}

/// What the objects of a factory cannot exceed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Begins the tag of every log; `None` lets logs be called anything and have the console's
    /// input.
    pub tag: Option<Tag>,
    /// Highest priority of scheduler proxies.
    pub priority: u8,
    /// CPUs of scheduler proxies.
    pub cpus: u64,
}

impl Limits {
    /// No limits: for the factory from which all others come.
    pub const NONE: Limits = Limits {
        tag: None,
        priority: 255,
        cpus: u64::MAX,
    };
}
