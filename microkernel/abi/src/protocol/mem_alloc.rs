//! Memory allocator: a server's factory for dataspaces and other objects.
//!
//! Objects are created by the [factory](super::factory) protocol; the type is the label of the
//! object's protocol.
//!
//! Source: `abi/08` §5.

use crate::flags::flags;

flags! {
    /// Second argument for a new dataspace.
    pub struct DataspaceFlags: u64 {
        /// Physically contiguous.
        const CONTINUOUS = 1;
        /// Allocated at once, for good.
        const PINNED = 2;
        /// Large pages where possible.
        const SUPER_PAGES = 4;
        /// At a physical address: fourth argument.
        const FIXED_ADDRESS = 8;
    }
}
