//! What a loader puts into a new program: slots, environment, auxiliary vector.
//!
//! Source: `abi/08` §8.

use crate::flexpage::Flexpage;
use crate::rights::MemoryRights;

/// Slots of a program that a loader started, beside those in [`crate::capability::slot`].
pub mod slot {
    /// Region map: pager and exception handler of the first thread.
    pub const REGION_MAP: u64 = 0x10;
    /// Memory allocator.
    pub const MEM_ALLOC: u64 = 0x11;
    /// Names; unused.
    pub const NAMES: u64 = 0x12;
    /// Parent.
    pub const PARENT: u64 = 0x13;
    /// Dataspace of the kernel info page.
    pub const KIP: u64 = 0x14;
    /// Receiver of debugging events, if there is one.
    pub const DBG_EVENTS: u64 = 0x15;
    /// First named initial capability.
    pub const FIRST_NAMED: u64 = 0x16;
}

/// Start of the UTCB area that loaders use.
pub const UTCB_AREA_START: u64 = 0xb300_0000;
/// Order of that area: eight threads.
pub const UTCB_AREA_ORDER: u32 = 13;
/// That area, as tasks are made with it.
pub const UTCB_AREA: Flexpage =
    Flexpage::memory(UTCB_AREA_START, UTCB_AREA_ORDER, MemoryRights::empty());
/// Address of the kernel info page if the program does not ask for another.
pub const KIP_ADDRESS: u64 = 0x6fff_f000;
/// Lowest address of the stack if the program does not ask for another.
pub const STACK_START: u64 = 0x8000_0000;
/// Size of the stack in bytes if the program does not ask for another.
pub const STACK_SIZE: u64 = 2 << 20;
/// Where a position-independent program goes: above stacks, so that it can load another one below.
pub const POSITION_INDEPENDENT_START: u64 = 0xa000_0000;
/// Priority of the first thread of a program.
pub const INITIAL_PRIORITY: u64 = 2;

/// Tags of the auxiliary vector.
pub mod aux_tag {
    /// End.
    pub const NULL: u64 = 0;
    /// Program headers.
    pub const PHDR: u64 = 3;
    /// Size of a program header.
    pub const PHENT: u64 = 4;
    /// Number of program headers.
    pub const PHNUM: u64 = 5;
    /// Page size.
    pub const PAGESZ: u64 = 6;
    /// Where the interpreter is loaded.
    pub const BASE: u64 = 7;
    /// Entry point of the program.
    pub const ENTRY: u64 = 9;
    /// User.
    pub const UID: u64 = 11;
    /// Effective user.
    pub const EUID: u64 = 12;
    /// Group.
    pub const GID: u64 = 13;
    /// Effective group.
    pub const EGID: u64 = 14;
    /// Pointer to [`Auxiliary`](super::Auxiliary).
    pub const L4_AUX: u64 = 0xf0;
    /// Pointer to [`Environment`](super::Environment).
    pub const L4_ENV: u64 = 0xf1;
    /// Address of the kernel info page.
    pub const L4_KIP: u64 = 0xf2;
}

/// The initial environment. Capabilities are selectors; missing ones are invalid or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Environment {
    /// Parent.
    pub parent: u64,
    /// Region map.
    pub region_map: u64,
    /// Memory allocator.
    pub mem_alloc: u64,
    /// Log.
    pub log: u64,
    /// First thread.
    pub main_thread: u64,
    /// Factory.
    pub factory: u64,
    /// Scheduler.
    pub scheduler: u64,
    /// In-task service.
    pub itas: u64,
    /// Debugging events.
    pub dbg_events: u64,
    /// First free capability slot: an index, not a selector.
    pub first_free_capability: u64,
    /// First free explicit reply slot.
    pub first_free_reply_capability: u64,
    /// The UTCB area, a flexpage.
    pub utcb_area: u64,
    /// Address of the first free UTCB.
    pub first_free_utcb: u64,
    /// Address of the first [`CapabilityEntry`].
    pub capabilities: u64,
}

/// A named initial capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct CapabilityEntry {
    /// Selector.
    pub capability: u64,
    /// Zero, or [`CapabilityEntry::END`] after the last entry.
    pub flags: u64,
    /// Name, padded with NUL; not terminated if it has all 16 bytes.
    pub name: [u8; CapabilityEntry::NAME_LENGTH],
}

impl CapabilityEntry {
    /// Longest name, in bytes.
    pub const NAME_LENGTH: usize = 16;
    /// Flags of the entry that ends the list.
    pub const END: u64 = !0;

    /// Whether this entry ends the list.
    pub const fn is_end(&self) -> bool {
        self.flags == Self::END
    }

    /// The name without its padding.
    pub fn name(&self) -> &[u8] {
        self.name
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default()
    }
}

/// What [`aux_tag::L4_AUX`] points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Auxiliary {
    /// Address of the program's name.
    pub name: u64,
    /// Selector of the kernel info page's dataspace.
    pub kip: u64,
    /// Debug level.
    pub debug_flags: u64,
    /// How the loader is to map the program.
    pub loader_flags: u64,
    /// Where a position-independent program is to be loaded, or [`Auxiliary::ANYWHERE`].
    pub loader_base: u64,
}

impl Auxiliary {
    /// The loader may choose.
    pub const ANYWHERE: u64 = !0;
}

/// Program header type of a program's wishes for its loader.
///
/// The segment is a list of records `{u64 type, u64 length with header, values}`, ended by type
/// zero or the segment's end.
pub const PT_L4_AUX: u32 = 0x6000_0014;

/// Types of records in a [`PT_L4_AUX`] segment.
pub mod elf_aux {
    /// End of the list.
    pub const END: u64 = 0;
    /// Reserve addresses: start and last byte.
    pub const VMA: u64 = 1;
    /// Size of the stack.
    pub const STACK_SIZE: u64 = 2;
    /// Address of the stack.
    pub const STACK_ADDRESS: u64 = 3;
    /// Address of the kernel info page.
    pub const KIP_ADDRESS: u64 = 4;
    /// Flags for starting the first thread.
    pub const EX_REGS_FLAGS: u64 = 5;
}
