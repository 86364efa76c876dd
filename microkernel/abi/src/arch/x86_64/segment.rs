//! x86_64: user segments (`abi/01`, `abi/05` segment operations).

/// User data segment.
pub const USER_DS: u16 = 0x23;
/// User code segment, 64 bit.
pub const USER_CS64: u16 = 0x2b;
/// User code segment, 32 bit.
pub const USER_CS32: u16 = 0x1b;
/// Selector of the first descriptor that a thread may set.
pub const USER_GDT_START: u16 = 0x58;
/// Number of descriptors that a thread may set.
pub const USER_GDT_ENTRIES: u16 = 4;
/// Number of descriptors that a task may set, in its own table.
pub const LOCAL_DESCRIPTORS: usize = 512;
/// Privilege level bits of a user selector.
pub const USER_PRIVILEGE: u16 = 3;
