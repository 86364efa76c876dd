//! Memory allocator: a server's factory for dataspaces and the other objects of L4Re.

use l4_abi::error::ResultCode;
use l4_abi::protocol::label;
use l4_ipc::factory::{ServerFactory, Varg};
use l4_ipc::{CapabilityRights, Result};
use l4_sys::object::{Factory, Log, Scheduler};
use l4_sys::{AnyObject, Cap, Object, OwnedCap};

use crate::{Dataspace, Namespace, RegionMap};

pub use l4_abi::protocol::mem_alloc::DataspaceFlags;

l4_ipc::interface! {
    /// Makes dataspaces and other objects of L4Re, out of a quota. Making needs the S right.
    pub interface MemAlloc, served by MemAllocServer {
        protocol: label::MEM_ALLOC,
        opcode: i32,

        /// What is left.
        fn info() -> Usage = 0;
    }
}

l4_ipc::record! {
    /// Memory of an allocator, in bytes.
    pub struct Usage {
        /// Its quota.
        pub quota: u64,
        /// Used part of the quota.
        pub quota_used: u64,
        /// Largest amount of memory.
        pub memory_limit: u64,
        /// Used memory.
        pub memory_used: u64,
        /// Free memory.
        pub memory_free: u64,
    }
}

impl MemAlloc {
    /// The factory protocol of the same object.
    pub fn factory(&self) -> Cap<ServerFactory> {
        Cap::new(self.selector())
    }

    /// Makes a dataspace of `size` bytes. `align` is the binary logarithm of the alignment, 0 for any.
    ///
    /// # Errors
    /// ENOMEM if quota or memory is used up, EINVAL for size 0.
    pub fn create_dataspace(
        &self,
        size: u64,
        flags: DataspaceFlags,
        align: u32,
    ) -> Result<OwnedCap<Dataspace>> {
        // A negative size would mean: as much as there is.
        let size = i64::try_from(size).map_err(|_| ResultCode::ENOMEM)?;
        let arguments = [
            Varg::Signed(size),
            Varg::Unsigned(flags.bits()),
            Varg::Unsigned(align.into()),
        ];
        self.factory().create(label::DATASPACE, &arguments)
    }

    /// Makes an empty namespace.
    pub fn create_namespace(&self) -> Result<OwnedCap<Namespace>> {
        self.factory().create(label::NAMESPACE, &[])
    }

    /// Makes an empty region map.
    pub fn create_region_map(&self) -> Result<OwnedCap<RegionMap>> {
        self.factory().create(label::REGION_MAP, &[])
    }

    /// Makes an allocator with a part of this one's quota, in bytes.
    pub fn create_mem_alloc(&self, quota: u64) -> Result<OwnedCap<MemAlloc>> {
        let quota = i64::try_from(quota).map_err(|_| ResultCode::ENOMEM)?;
        self.factory()
            .create(label::FACTORY, &[Varg::Signed(quota)])
    }

    /// Makes a log that puts `tag` in `colour` before each line. Only moe's first client can let it
    /// have the console's input.
    pub fn create_log(&self, tag: &str, colour: &str, has_input: bool) -> Result<OwnedCap<Log>> {
        let arguments = [
            Varg::Text(tag.as_bytes()),
            Varg::Text(colour.as_bytes()),
            Varg::Unsigned(has_input.into()),
        ];
        self.factory().create(label::LOG, &arguments)
    }

    /// Makes a scheduler that grants priorities below `limit` as if they began at `base`, on the
    /// CPUs of `cpus` (one bit each, CPU 0 first).
    pub fn create_scheduler(&self, limit: u8, base: u8, cpus: u64) -> Result<OwnedCap<Scheduler>> {
        let arguments = [
            Varg::Signed(limit.into()),
            Varg::Signed(base.into()),
            Varg::Unsigned(cpus),
        ];
        self.factory().create(label::SCHEDULER, &arguments)
    }

    /// Makes an allocator with a part of this one's memory and with limits of its own, which are
    /// cut to this one's.
    ///
    /// The gates of its objects are paid for by `kernel_factory`, which only moe's first client can
    /// choose; otherwise by whoever pays for those of this allocator's objects.
    pub fn create_limited(
        &self,
        limits: ComponentLimits<'_>,
        kernel_factory: Option<Cap<Factory>>,
    ) -> Result<OwnedCap<MemAlloc>> {
        let arguments = [
            Varg::Signed(limits.memory as i64),
            Varg::Text(limits.tag.as_bytes()),
            Varg::Unsigned(limits.priority.into()),
            Varg::Unsigned(limits.cpus),
        ];
        let factory =
            kernel_factory.map(|factory| factory.cast::<AnyObject>().pass(CapabilityRights::RWS));
        self.factory()
            .create_with(label::FACTORY, &arguments, factory)
    }
}

/// What a component's allocator and everything made from it cannot exceed.
#[derive(Clone, Copy, Debug)]
pub struct ComponentLimits<'a> {
    /// User memory in bytes.
    pub memory: u64,
    /// Begins the tags of its logs.
    pub tag: &'a str,
    /// Highest priority of its schedulers.
    pub priority: u8,
    /// CPUs of its schedulers, one bit each.
    pub cpus: u64,
}
