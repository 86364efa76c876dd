//! Task: address spaces. Also the protocol of VM objects and DMA spaces.
//!
//! Source: `abi/05` (Task), `abi/03` §5 (unmap).

opcodes! {
    /// Operations, word 0.
    pub enum Opcode {
        /// Map from another task: send base and control, flexpage, source task as item. Needs W.
        Map = 0,
        /// Revoke rights: mask, flexpages. Answers with access flags in each flexpage.
        Unmap = 1,
        /// One selector: is it valid? Two: do they name the same object with the same rights?
        CapabilityInfo = 2,
        /// Add kernel-user memory: flexpages. Answers with the areas used.
        AddKernelUserMemory = 3,
        /// x86: set LDT entries: first entry, descriptors.
        LdtSet = 0x11,
        /// aarch64: map the virtual CPU interface of a GICv2: flexpage.
        MapVirtualGic = 0x12,
    }
}

/// Unmap mask: which spaces, and whether objects are destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct UnmapMask(u64);

impl UnmapMask {
    /// Only mappings that were derived from this space's.
    pub const OTHER_SPACES: UnmapMask = UnmapMask(0);
    /// Also this space's own mappings.
    pub const ALL_SPACES: UnmapMask = UnmapMask(0x8000_0000);
    /// And destroy objects, if the capability has the D right.
    pub const DELETE_OBJECT: UnmapMask = UnmapMask(0xc000_0000);

    const OWN: u64 = 1 << 31;
    const DELETE: u64 = 1 << 30;

    /// Takes a word as it is.
    pub const fn from_raw(raw: u64) -> UnmapMask {
        UnmapMask(raw)
    }

    /// The word as it goes into a message.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Whether the own space is included.
    pub const fn includes_own(self) -> bool {
        self.0 & Self::OWN != 0
    }

    /// Whether objects are destroyed; without the own space the bit has no effect.
    pub const fn deletes(self) -> bool {
        self.0 & Self::DELETE_OBJECT.0 == Self::OWN | Self::DELETE
    }
}

/// Access flag in an unmapped flexpage: the page was used.
pub const REFERENCED: u64 = 1;
/// Access flag in an unmapped flexpage: the page was written.
pub const DIRTY: u64 = 2;
