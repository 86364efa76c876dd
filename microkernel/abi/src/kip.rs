//! The kernel info page (KIP): what the kernel tells every program about itself.
//!
//! Source: `abi/04`. The loader writes part of it before the kernel runs.

use crate::rights::MemoryRights;

/// Size of the page, in bytes.
pub const SIZE: usize = 4096;
/// First word: bytes 4c 34 e6 4b.
pub const MAGIC: u32 = 0x4BE6_344C;
/// ABI version with sub version 3.
pub const VERSION: u32 = 0x8703_4444;
/// What a reader compares: the version under [`VERSION_MASK`].
pub const VERSION_BASE: u32 = 0x8700_4444;
/// Bits of the version that must match.
pub const VERSION_MASK: u32 = 0xff00_ffff;
/// Capacity of the memory descriptor array.
pub const MEMORY_DESCRIPTORS: usize = 64;
/// Unit of the version string's offset, in bytes.
pub const VERSION_STRING_UNIT: usize = 16;

/// Code: `svc #0; ret` (aarch64).
pub const SYSCALL_CODE_OFFSET: usize = 0x800;
/// Code: reads the clock in microseconds.
pub const CLOCK_MICROS_CODE_OFFSET: usize = 0x900;
/// Code: reads the clock in nanoseconds.
pub const CLOCK_NANOS_CODE_OFFSET: usize = 0x980;
/// Byte offset of the clock word.
pub const CLOCK_OFFSET: usize = 0x20;

/// The page's header; `ARCHITECTURE_WORDS` differs, see `arch::*::KipHeader`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Header<const ARCHITECTURE_WORDS: usize> {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// Offset of the version string in units of 16 bytes.
    pub version_string_offset: u8,
    /// Zero.
    pub reserved_09: [u8; 3],
    /// Zero.
    pub syscall_flags: u8,
    /// Number of this kernel among several on one machine.
    pub node: u8,
    /// Zero.
    pub reserved_0e: [u8; 2],
    /// Entry point of sigma0.
    pub sigma0_entry: u64,
    /// Entry point of the root task, zero for none.
    pub root_task_entry: u64,
    /// Microseconds since boot, if the clock code reads it from here.
    pub clock: u64,
    /// CPU frequency in kHz (x86_64).
    pub cpu_frequency_khz: u64,
    /// Physical address of the ACPI root pointer, or zero.
    pub acpi_rsdp: u64,
    /// Physical address of the device tree, or zero.
    pub device_tree: u64,
    /// Physical address of the module list, see [`crate::boot::ModuleInfo`].
    pub user_pointer: u64,
    /// Zero.
    pub reserved_48: u64,
    /// Scheduler granularity in microseconds.
    pub scheduler_granularity: u32,
    /// Byte offset of the memory descriptors.
    pub memory_descriptors_offset: u32,
    /// Capacity of the descriptor array.
    pub memory_descriptors_count: u32,
    /// Zero.
    pub reserved_5c: u32,
    /// Zero.
    pub reserved_60: [u64; 2],
    /// Platform name, NUL terminated.
    pub platform_name: [u8; 16],
    /// One if the kernel runs more than one CPU.
    pub is_multiprocessor: u32,
    /// Processor identification.
    pub architecture: [u32; ARCHITECTURE_WORDS],
}

/// Whether a page begins as a kernel info page of this ABI does.
pub const fn is_compatible(magic: u32, version: u32) -> bool {
    magic == MAGIC && version & VERSION_MASK == VERSION_BASE
}

/// Features that a kernel may name after its version string.
pub mod feature {
    /// Sub version of the ABI.
    pub const ABI_VERSION: &str = "abiver:3";
    /// Mappings are tracked and can be revoked.
    pub const MAPPING_DATABASE: &str = "mapdb";
    /// Page-fault trampolines exist.
    pub const PAGE_FAULT_TRAMPOLINE: &str = "pf_tramp";
    /// x86: segment operations exist.
    pub const SEGMENTS: &str = "segments";
    /// The kernel has a debugger.
    pub const DEBUGGER: &str = "jdb";
    /// aarch64: the kernel runs at EL2.
    pub const ARM_EL2: &str = "arm:hyp";
}

/// The strings of a page: the version text first, then the features.
pub fn strings(page: &[u8]) -> impl Iterator<Item = &[u8]> {
    let offset = page
        .get(8)
        .map_or(0, |units| *units as usize * VERSION_STRING_UNIT);
    page.get(offset..)
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .take_while(|string| !string.is_empty())
}

/// Whether the page names a feature.
pub fn has_feature(page: &[u8], feature: &str) -> bool {
    strings(page)
        .skip(1)
        .any(|string| string == feature.as_bytes())
}

/// What a range of addresses is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MemoryType {
    /// Unused entry.
    Undefined = 0x0,
    /// RAM, or usable user addresses if virtual.
    Conventional = 0x1,
    /// Kernel memory and devices, see [`reserved`].
    Reserved = 0x2,
    /// sigma0's image.
    Dedicated = 0x3,
    /// Shared memory.
    Shared = 0x4,
    /// Private to the kernel at boot.
    KernelTemporary = 0x7,
    /// Information, see [`info`].
    Info = 0xd,
    /// Root task and modules; the sub type holds the rights.
    Bootloader = 0xe,
    /// Firmware memory, see [`firmware`].
    ArchitectureSpecific = 0xf,
}

/// Sub types of [`MemoryType::Reserved`].
pub mod reserved {
    /// The kernel image.
    pub const KERNEL_IMAGE: u8 = 0;
    /// The kernel's heap.
    pub const HEAP: u8 = 1;
    /// Device registers that the kernel uses.
    pub const MMIO: u8 = 2;
}

/// Sub types of [`MemoryType::Info`].
pub mod info {
    /// The ACPI root pointer.
    pub const ACPI_RSDP: u8 = 0;
}

/// Sub types of [`MemoryType::ArchitectureSpecific`].
pub mod firmware {
    /// Not further specified; on x86 page 0.
    pub const UNSPECIFIED: u8 = 0;
    /// Reserved by the firmware's memory map.
    pub const RESERVED: u8 = 2;
    /// ACPI tables.
    pub const ACPI_TABLES: u8 = 3;
    /// ACPI non-volatile storage.
    pub const ACPI_NVS: u8 = 4;
}

/// A memory descriptor: an address range in units of 1 KiB, its type, and two flags.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct MemoryDescriptor {
    low: u64,
    high: u64,
}

impl MemoryDescriptor {
    /// The unused entry.
    pub const UNUSED: MemoryDescriptor = MemoryDescriptor { low: 0, high: 0 };
    /// Granularity of both ends, in bytes.
    pub const GRANULARITY: u64 = 1024;

    const ADDRESS_MASK: u64 = !(Self::GRANULARITY - 1);
    const TYPE_MASK: u64 = 0xf;
    const SUB_TYPE_SHIFT: u32 = 4;
    const EAGER: u64 = 1 << 8;
    const VIRTUAL: u64 = 1 << 9;

    /// A physical range from `start` to `last`, both included and widened to whole KiB.
    pub const fn physical(kind: MemoryType, sub_type: u8, start: u64, last: u64) -> Self {
        MemoryDescriptor {
            low: start & Self::ADDRESS_MASK
                | (sub_type as u64 & 0xf) << Self::SUB_TYPE_SHIFT
                | kind as u64,
            high: last | !Self::ADDRESS_MASK,
        }
    }

    /// A virtual range from `start` to `last`.
    pub const fn virtual_range(kind: MemoryType, start: u64, last: u64) -> Self {
        let physical = Self::physical(kind, 0, start, last);
        MemoryDescriptor {
            low: physical.low | Self::VIRTUAL,
            ..physical
        }
    }

    /// A region of the root task or of a module.
    pub const fn bootloader(rights: MemoryRights, start: u64, last: u64) -> Self {
        Self::physical(MemoryType::Bootloader, rights.bits(), start, last)
    }

    /// The same range with the eager flag.
    pub const fn eager(self) -> Self {
        MemoryDescriptor {
            low: self.low | Self::EAGER,
            ..self
        }
    }

    /// Takes two words as they are.
    pub const fn from_words(low: u64, high: u64) -> Self {
        MemoryDescriptor { low, high }
    }

    /// The two words as they are stored.
    pub const fn words(self) -> [u64; 2] {
        [self.low, self.high]
    }

    /// The type, or `None` for a number that has no meaning.
    pub const fn kind(self) -> Option<MemoryType> {
        Some(match self.low & Self::TYPE_MASK {
            0x0 => MemoryType::Undefined,
            0x1 => MemoryType::Conventional,
            0x2 => MemoryType::Reserved,
            0x3 => MemoryType::Dedicated,
            0x4 => MemoryType::Shared,
            0x7 => MemoryType::KernelTemporary,
            0xd => MemoryType::Info,
            0xe => MemoryType::Bootloader,
            0xf => MemoryType::ArchitectureSpecific,
            _ => return None,
        })
    }

    /// Whether the entry is in use.
    pub const fn is_used(self) -> bool {
        self.low & Self::TYPE_MASK != 0
    }

    /// The sub type.
    pub const fn sub_type(self) -> u8 {
        (self.low >> Self::SUB_TYPE_SHIFT & 0xf) as u8
    }

    /// Whether the addresses are virtual.
    pub const fn is_virtual(self) -> bool {
        self.low & Self::VIRTUAL != 0
    }

    /// Whether the region is to be mapped at once (systems without MMU).
    pub const fn is_eager(self) -> bool {
        self.low & Self::EAGER != 0
    }

    /// The first byte.
    pub const fn start(self) -> u64 {
        self.low & Self::ADDRESS_MASK
    }

    /// The last byte.
    pub const fn last(self) -> u64 {
        self.high | !Self::ADDRESS_MASK
    }
}

impl core::fmt::Debug for MemoryDescriptor {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            formatter,
            "{:#018x}-{:#018x} {:?}/{}{}",
            self.start(),
            self.last(),
            self.kind(),
            self.sub_type(),
            if self.is_virtual() { " virtual" } else { "" },
        )
    }
}
