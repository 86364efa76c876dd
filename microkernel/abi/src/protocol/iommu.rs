//! IOMMU: connects devices with DMA spaces. Needs the S right.
//!
//! Source: `abi/05` (IOMMU).

opcodes! {
    /// Operations, word 0.
    pub enum Opcode {
        /// Source, DMA space. Answers with the first and last address.
        Bind = 0,
        /// Source, DMA space.
        Unbind = 1,
    }
}
