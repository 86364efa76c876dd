//! Rights on capabilities and memory.
//!
//! Source: `abi/00` (rights bits), `abi/03` §4.

use crate::flags::flags;

flags! {
    /// Rights stored with a capability.
    ///
    /// The low nibble is that of an object flexpage, bits 7..5 those of a send item. Only
    /// [`WRITE`](Self::WRITE) and [`SPECIAL`](Self::SPECIAL) are seen when the capability is invoked.
    pub struct CapabilityRights: u8 {
        /// W: modify or notify the object.
        const WRITE = 0x01;
        /// S: bind, control and create; pass this right and FPU state on through IPC.
        const SPECIAL = 0x02;
        /// R: always present in a capability; a send flexpage without it maps nothing.
        const READ = 0x04;
        /// D: an unmap with the delete flag destroys the object.
        const DELETE = 0x08;
        /// The capability keeps the object alive.
        const COUNTED = 0x10;
        /// Object right 1.
        const OBJECT_1 = 0x20;
        /// Object right 2.
        const OBJECT_2 = 0x40;
        /// Object right 3.
        const OBJECT_3 = 0x80;
        /// On an IPC gate: the right to bind and query it.
        const IPC_GATE_SERVER = Self::OBJECT_1.bits();
        /// Read and write.
        const RW = Self::READ.bits() | Self::WRITE.bits();
        /// Read and special.
        const RS = Self::READ.bits() | Self::SPECIAL.bits();
        /// Read, write and special.
        const RWS = Self::RW.bits() | Self::SPECIAL.bits();
        /// Read, write, special and delete: every right of a flexpage.
        const RWSD = Self::RWS.bits() | Self::DELETE.bits();
        /// All three object rights.
        const OBJECT = Self::OBJECT_1.bits() | Self::OBJECT_2.bits() | Self::OBJECT_3.bits();
        /// What the creator of an object gets.
        const FULL = 0xff;
    }
}

impl CapabilityRights {
    /// The rights that the receiver of an IPC gate message sees in its label: W and S.
    pub const INVOCATION: CapabilityRights = Self::WRITE.union(Self::SPECIAL);
}

flags! {
    /// Access rights of memory, as in a memory flexpage.
    pub struct MemoryRights: u8 {
        /// X: fetch instructions.
        const EXECUTE = 0x01;
        /// W: store.
        const WRITE = 0x02;
        /// R: load.
        const READ = 0x04;
        /// Read and execute.
        const RX = Self::READ.bits() | Self::EXECUTE.bits();
        /// Read and write.
        const RW = Self::READ.bits() | Self::WRITE.bits();
        /// Read, write and execute.
        const RWX = Self::RW.bits() | Self::EXECUTE.bits();
    }
}
