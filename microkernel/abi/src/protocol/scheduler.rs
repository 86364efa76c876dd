//! Scheduler: processors, and priorities of threads.
//!
//! Also an [interrupt controller](super::icu) with one pin: processors came or went.
//!
//! Source: `abi/05` (Scheduler), `abi/03` §10.

opcodes! {
    /// Operations, word 0.
    pub enum Opcode {
        /// Granularity and offset. Answers with present CPUs, their largest number, classes.
        Info = 0,
        /// CPU set (two words), parameters, thread as item.
        RunThread = 1,
        /// CPU set. Answers with the idle time in µs.
        IdleTime = 2,
    }
}

/// A set of CPUs: a bitmap, from an offset on, each bit standing for 2^granularity CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSet {
    /// Offset in bits 23..0, logarithm of the granularity in bits 31..24.
    pub granularity_offset: u64,
    /// The bitmap.
    pub map: u64,
}

impl CpuSet {
    /// Every CPU, as libraries send it.
    pub const ALL: CpuSet = CpuSet {
        granularity_offset: 0xff00_0000,
        map: 1,
    };
    /// Largest logarithm of the granularity; larger ones mean this.
    pub const MAX_GRANULARITY: u32 = 24;

    /// One CPU out of the first 2^24.
    pub const fn single(cpu: u32) -> CpuSet {
        CpuSet {
            granularity_offset: (cpu & !63) as u64 & 0xff_ffff,
            map: 1 << (cpu & 63),
        }
    }

    /// Logarithm of the number of CPUs that a bit stands for.
    pub const fn granularity(self) -> u32 {
        let granularity = (self.granularity_offset >> 24 & 0xff) as u32;
        if granularity < Self::MAX_GRANULARITY {
            granularity
        } else {
            Self::MAX_GRANULARITY
        }
    }

    /// The CPU of the map's first bit, rounded down to the granularity.
    pub const fn offset(self) -> u32 {
        let offset = (self.granularity_offset & 0xff_ffff) as u32;
        offset & !((1 << self.granularity()) - 1)
    }

    /// Whether the set holds the CPU.
    pub const fn contains(self, cpu: u32) -> bool {
        if cpu < self.offset() {
            return false;
        }
        let bit = (cpu - self.offset()) >> self.granularity();
        bit < u64::BITS && self.map & 1 << bit != 0
    }
}

/// Parameter word 3 of [`Opcode::RunThread`] for a structure that follows: fixed priority.
pub const CLASS_FIXED_PRIORITY: i64 = -1;
/// Smallest length of that structure, in bytes.
pub const PARAMETER_LENGTH: u64 = 48;
/// Class bitmap of a kernel with fixed priorities only.
pub const CLASSES: u64 = 1 << 1;
/// Highest priority.
pub const MAX_PRIORITY: u8 = 255;
/// Priority of a thread that was not given one.
pub const DEFAULT_PRIORITY: u8 = 1;
/// Time slice if the request says zero, in µs.
pub const DEFAULT_QUANTUM: u64 = 10_000;

/// Words of an [`Opcode::RunThread`] request; the item follows.
pub mod run_thread_word {
    /// Granularity and offset.
    pub const GRANULARITY_OFFSET: usize = 1;
    /// Bitmap.
    pub const MAP: usize = 2;
    /// Priority, or a negative class.
    pub const PRIORITY: usize = 3;
    /// Time slice in µs, or the length of the class's structure in bytes.
    pub const QUANTUM: usize = 4;
    /// Time slice in the fixed-priority structure.
    pub const CLASS_QUANTUM: usize = 5;
    /// Priority in the fixed-priority structure.
    pub const CLASS_PRIORITY: usize = 6;
    /// Words of the form without a structure.
    pub const COUNT: usize = 5;
}
