//! Factory: makes objects, within an account and the limits that go with it.

use l4_abi::capability::Selector;

use super::log::Tag;
use crate::bank::AccountId;

/// A factory, which clients know as their memory allocator.
#[derive(Clone, Copy, Debug)]
pub struct Factory {
    /// What its objects are charged to. Everything in it goes when the factory goes.
    pub account: AccountId,
    /// The kernel's factory that pays for its objects' gates.
    pub kernel_factory: Selector,
    /// Whether that goes with this factory; otherwise another one owns it.
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
