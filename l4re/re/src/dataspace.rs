//! Dataspace: memory that several tasks can map.

use l4_abi::protocol::label;
use l4_ipc::{Pages, Window};
use l4_sys::Cap;

pub use l4_abi::protocol::dataspace::Flags;

l4_ipc::interface! {
    /// Memory that several tasks can map. Offsets and sizes are in bytes.
    pub interface Dataspace, served by DataspaceServer {
        protocol: label::DATASPACE,
        opcode: i32,

        /// Maps what is at `offset` into `window`, at `spot` inside it; with the rights of
        /// `flags` as far as the capability has them. The answer's order tells how much was mapped.
        fn map(offset: u64, spot: u64, flags: u64, window: Window) -> Pages = 0;
        /// Fills `size` bytes from `offset` on with zeros.
        fn clear(offset: u64, size: u64) = 1;
        /// Size and flags.
        fn info() -> Info = 2;
        /// Copies `size` bytes at `source_offset` of `source`, a dataspace of the same server,
        /// to `offset`.
        fn copy_in(offset: u64, source_offset: u64, size: u64, source: Cap<Dataspace>) = 3;
        /// Makes sure that `size` bytes from `offset` on have memory behind them.
        fn allocate(offset: u64, size: u64) = 4;
        /// Where the dataspace must be mapped, on systems without an MMU. Label 0 elsewhere.
        fn map_info() -> MapInfo = 5;
    }
}

l4_ipc::record! {
    /// What a dataspace is.
    pub struct Info {
        /// Size in bytes.
        pub size: u64,
        /// What it can be mapped with: [`Flags`].
        pub flags: u64,
    }
}

l4_ipc::record! {
    /// The only place where a dataspace can be mapped.
    pub struct MapInfo {
        /// First byte.
        pub start: u64,
        /// Last byte.
        pub last: u64,
    }
}

impl Dataspace {
    /// Size in bytes.
    pub fn size(&self) -> l4_ipc::Result<u64> {
        Ok(self.info()?.size)
    }
}
