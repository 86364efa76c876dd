//! The user thread control block: 1024 bytes shared by a thread and the kernel.
//!
//! Source: `abi/02`. The layout is the same on both architectures.

/// Number of message registers.
pub const MESSAGE_REGISTERS: usize = 63;
/// Number of buffer registers.
pub const BUFFER_REGISTERS: usize = 58;
/// Size of a UTCB and distance between UTCBs of an area, in bytes.
pub const SIZE: usize = 1024;
/// Smallest order of a kernel-user memory chunk (one page).
pub const AREA_MIN_ORDER: u32 = 12;
/// Largest order of a kernel-user memory chunk (128 KiB).
pub const AREA_MAX_ORDER: u32 = 17;
/// Alignment of a UTCB address, in bytes.
pub const ALIGNMENT: u64 = 8;

/// The block itself.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Utcb {
    /// Message registers: untyped words, then typed items.
    pub message: [u64; MESSAGE_REGISTERS],
    /// x86_64: the block's own user address, where GS points. aarch64: zero.
    pub kernel_word: u64,
    /// Where the receive buffers of each type begin, see [`BufferDescriptor`].
    pub buffer_descriptor: BufferDescriptor,
    /// Buffer registers: receive buffers and absolute timeouts.
    pub buffers: [u64; BUFFER_REGISTERS],
    /// Code of the last failed IPC; meaningful only if the tag says so.
    pub error: u64,
    /// The kernel writes zero here when it no longer uses the block.
    pub free_marker: u64,
    /// Words that the kernel never touches.
    pub user: [u64; 3],
}

/// Byte offset of the message registers.
pub const MESSAGE_OFFSET: usize = 0x000;
/// Byte offset of the kernel's word.
pub const KERNEL_WORD_OFFSET: usize = 0x1f8;
/// Byte offset of the buffer descriptor.
pub const BUFFER_DESCRIPTOR_OFFSET: usize = 0x200;
/// Byte offset of the buffer registers.
pub const BUFFERS_OFFSET: usize = 0x208;
/// Byte offset of the error word.
pub const ERROR_OFFSET: usize = 0x3d8;
/// Byte offset of the free marker.
pub const FREE_MARKER_OFFSET: usize = 0x3e0;
/// Byte offset of the user words.
pub const USER_OFFSET: usize = 0x3e8;

/// The buffer descriptor register (BDR): the first receive buffer of each type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct BufferDescriptor(u64);

impl BufferDescriptor {
    /// All types use the buffers from the first register on; no FPU state.
    pub const DEFAULT: BufferDescriptor = BufferDescriptor(0);

    const INDEX_MASK: u64 = 0x1f;
    const IO_PORT_SHIFT: u32 = 5;
    const OBJECT_SHIFT: u32 = 10;
    const INHERIT_FPU: u64 = 1 << 24;

    /// Buffers that begin at these registers (each 0 to 31).
    pub const fn new(memory: usize, io_port: usize, object: usize) -> BufferDescriptor {
        BufferDescriptor(
            memory as u64 & Self::INDEX_MASK
                | (io_port as u64 & Self::INDEX_MASK) << Self::IO_PORT_SHIFT
                | (object as u64 & Self::INDEX_MASK) << Self::OBJECT_SHIFT,
        )
    }

    /// The same buffers, and FPU state is accepted.
    pub const fn inheriting_fpu(self) -> BufferDescriptor {
        BufferDescriptor(self.0 | Self::INHERIT_FPU)
    }

    /// Takes a word as it is.
    pub const fn from_raw(raw: u64) -> BufferDescriptor {
        BufferDescriptor(raw)
    }

    /// The word as it is stored.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// First buffer register for memory.
    pub const fn memory(self) -> usize {
        (self.0 & Self::INDEX_MASK) as usize
    }

    /// First buffer register for I/O ports.
    pub const fn io_port(self) -> usize {
        (self.0 >> Self::IO_PORT_SHIFT & Self::INDEX_MASK) as usize
    }

    /// First buffer register for capabilities.
    pub const fn object(self) -> usize {
        (self.0 >> Self::OBJECT_SHIFT & Self::INDEX_MASK) as usize
    }

    /// Whether the receiver accepts FPU state.
    pub const fn inherits_fpu(self) -> bool {
        self.0 & Self::INHERIT_FPU != 0
    }
}
