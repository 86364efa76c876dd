//! DMA space of a server: addresses that a device sees.
//!
//! Source: `abi/08` §7.

use crate::flags::flags;

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// Offset, size, alignment, attributes, address, last address, dataspace.
        Map = 0,
        /// Address, size, flags.
        Unmap = 1,
    }
}

opcodes! {
    /// Operations of the manager that connects DMA spaces with hardware; label zero.
    pub enum ManagerOpcode {
        /// Attributes, DMA space, kernel's DMA space.
        Associate = 0,
        /// Attributes, DMA space: without IOMMU.
        AssociatePhysical = 1,
        /// DMA space.
        Disassociate = 2,
        /// Keep addresses free.
        BlockArea = 3,
        /// First and last address.
        SetLimits = 4,
    }
}

flags! {
    /// Attributes of a mapping.
    pub struct Attributes: u32 {
        /// Look for a free address.
        const SEARCH = 1;
        /// Mapping a part is enough.
        const PARTIAL = 2;
        /// Only reserve.
        const RESERVE = 4;
        /// Replace what is there.
        const REPLACE = 8;
    }
}

/// Flag of unmap: also end the reservation.
pub const UNMAP_CANCEL_RESERVATION: u32 = 1;
