//! The interfaces of L4Re's servers (`abi/08`), one per file.
//!
//! Each file declares the client type and the server trait at once; where the calls alone are not
//! convenient, it adds a few methods on top. Programs use the client side through `Cap<Dataspace>`
//! and the like; moe, ned and other servers implement the traits.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

pub mod dataspace;
pub mod icu;
pub mod log;
pub mod mem_alloc;
pub mod namespace;
pub mod pager;
pub mod parent;
pub mod region_map;
pub mod remote_access;
pub mod scheduler;
#[cfg(feature = "virtio")]
pub mod virtio;
pub mod watch;

pub use dataspace::Dataspace;
pub use l4_abi::flexpage::{PAGE_ORDER, PAGE_SIZE};
pub use l4_ipc::factory::ServerFactory;
pub use l4_ipc::meta::Meta;
pub use mem_alloc::MemAlloc;
pub use namespace::Namespace;
pub use parent::Parent;
pub use region_map::RegionMap;
pub use remote_access::RemoteAccess;
#[cfg(feature = "virtio")]
pub use virtio::VirtioDevice;
pub use watch::Watch;
