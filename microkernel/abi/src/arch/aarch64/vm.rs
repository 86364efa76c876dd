//! aarch64: the extended state of a vCPU that runs a virtual machine at EL1.
//!
//! Source: `abi/06` §5.3.

use core::mem::{offset_of, size_of};

use crate::flags::flags;

/// What the kernel tells about itself, at
/// [`EXTENDED_INFO_OFFSET`](crate::vcpu::EXTENDED_INFO_OFFSET).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct ExtendedInfo {
    /// Zero.
    pub version: u8,
    /// Version of the interrupt controller: 2 or 3.
    pub gic_version: u8,
    /// Zero.
    pub reserved_2: [u8; 2],
    /// Zero.
    pub features: u32,
    /// Zero.
    pub reserved_8: [u32; 14],
    /// The user's own.
    pub user: [u64; 8],
}

/// The state of the guest, at [`EXTENDED_STATE_OFFSET`](super::vcpu::EXTENDED_STATE_OFFSET).
///
/// From `actlr` on it is a save area: stale while the registers are in the CPU, which is until
/// another guest needs them. What is not in the table of abi/06 §5.3 begins at `vbar`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields are the registers of that name")]
pub struct ExtendedState {
    /// HCR_EL2 while the vCPU is in kernel mode.
    pub host_hcr: u64,
    /// HCR_EL2 while the guest runs.
    pub guest_hcr: u64,
    pub guest_sctlr: u32,
    pub guest_cpacr: u32,
    pub guest_cntv_ctl: u32,
    pub reserved_1c: u32,
    pub cntvoff: u64,
    pub vmpidr: u64,
    pub vpidr: u32,
    /// A [`VirtualTimerConfig`].
    pub virtual_timer: u32,
    pub vtcr: u64,
    pub gic_hcr: u32,
    /// Read only; at most four list registers.
    pub gic_vtr: u32,
    pub gic_vmcr: u32,
    pub gic_misr: u32,
    pub gic_eisr: u32,
    pub gic_elrsr: u32,
    /// Four list registers; of a GICv2 they are 32 bits wide and fill the first half.
    pub gic_list_registers: [u64; 4],
    pub gic_active_priorities: [u32; 8],
    /// List registers that the kernel filled.
    pub gic_injected: u32,
    pub reserved_9c: u32,
    pub actlr: u64,
    pub tcr: u64,
    pub ttbr0: u64,
    pub ttbr1: u64,
    pub sctlr: u32,
    pub esr: u32,
    pub mair: u64,
    pub amair: u64,
    pub sp: u64,
    pub elr: u64,
    pub far: u64,
    pub afsr: [u32; 2],
    pub dacr32: u32,
    pub fpexc32: u32,
    pub ifsr32: u32,
    pub reserved_104: u32,
    pub vbar: u64,
    pub spsr: u64,
    pub tpidr: u64,
    pub contextidr: u64,
    pub csselr: u64,
    pub par: u64,
    pub cntkctl: u64,
    /// Written at each entry from the guest and read at each resume, unlike the others here.
    pub cntv_cval: u64,
}

const _: () = {
    assert!(size_of::<ExtendedInfo>() == 0x80);
    assert!(offset_of!(ExtendedInfo, gic_version) == 0x01);
    assert!(offset_of!(ExtendedInfo, user) == 0x40);
    assert!(offset_of!(ExtendedState, guest_sctlr) == 0x10);
    assert!(offset_of!(ExtendedState, guest_cntv_ctl) == 0x18);
    assert!(offset_of!(ExtendedState, cntvoff) == 0x20);
    assert!(offset_of!(ExtendedState, vmpidr) == 0x28);
    assert!(offset_of!(ExtendedState, vpidr) == 0x30);
    assert!(offset_of!(ExtendedState, virtual_timer) == 0x34);
    assert!(offset_of!(ExtendedState, vtcr) == 0x38);
    assert!(offset_of!(ExtendedState, gic_hcr) == 0x40);
    assert!(offset_of!(ExtendedState, gic_elrsr) == 0x54);
    assert!(offset_of!(ExtendedState, gic_list_registers) == 0x58);
    assert!(offset_of!(ExtendedState, gic_active_priorities) == 0x78);
    assert!(offset_of!(ExtendedState, gic_injected) == 0x98);
    assert!(offset_of!(ExtendedState, actlr) == 0xa0);
    assert!(offset_of!(ExtendedState, ttbr1) == 0xb8);
    assert!(offset_of!(ExtendedState, sctlr) == 0xc0);
    assert!(offset_of!(ExtendedState, mair) == 0xc8);
    assert!(offset_of!(ExtendedState, far) == 0xe8);
    assert!(offset_of!(ExtendedState, afsr) == 0xf0);
    assert!(offset_of!(ExtendedState, dacr32) == 0xf8);
    assert!(offset_of!(ExtendedState, ifsr32) == 0x100);
    assert!(offset_of!(ExtendedState, vbar) == 0x108);
    assert!(size_of::<ExtendedState>() == 0x148);
};

flags! {
    /// HCR_EL2 bits.
    pub struct Hcr: u64 {
        /// Stage 2 on.
        const VM = 1 << 0;
        /// Set/way invalidation overrides.
        const SWIO = 1 << 1;
        /// Protected table walk.
        const PTW = 1 << 2;
        /// FIQ to EL2.
        const FMO = 1 << 3;
        /// IRQ to EL2.
        const IMO = 1 << 4;
        /// SError to EL2.
        const AMO = 1 << 5;
        /// Virtual FIQ, IRQ and SError are pending.
        const VIRTUAL_INTERRUPTS = 7 << 6;
        /// Maintenance of TLBs and instruction caches concerns all CPUs.
        const FB = 1 << 9;
        /// Barriers concern at least these CPUs.
        const BSU = 3 << 10;
        /// Default cacheability, stage 1 off.
        const DC = 1 << 12;
        /// Trap WFI.
        const TWI = 1 << 13;
        /// Trap WFE.
        const TWE = 1 << 14;
        /// Trap the four groups of identification registers.
        const TID = 15 << 15;
        /// Trap SMC.
        const TSC = 1 << 19;
        /// Trap implementation-defined registers.
        const TIDCP = 1 << 20;
        /// Trap auxiliary control.
        const TACTLR = 1 << 21;
        /// Trap cache maintenance by set and way, to coherency and to unification; TLB
        /// maintenance; writes of the stage 1 registers.
        const TRAP_MAINTENANCE = 31 << 22;
        /// Trap general exceptions: EL0 runs directly under EL2.
        const TGE = 1 << 27;
        /// Trap `dc zva`.
        const TDZ = 1 << 28;
        /// `hvc` is undefined.
        const HCD = 1 << 29;
        /// Trap reads of the stage 1 registers.
        const TRVM = 1 << 30;
        /// EL1 is AArch64.
        const RW = 1 << 31;
        /// Stage 2 accesses by data and by instruction are not cached.
        const UNCACHED = 3 << 32;
        /// Trap LOR registers.
        const TLOR = 1 << 35;
        /// Trap error record.
        const TERR = 1 << 36;
        /// External aborts to EL2.
        const TEA = 1 << 37;
        /// What the user chooses for a guest.
        const CHOICE = Self::VIRTUAL_INTERRUPTS.bits() | Self::FB.bits() | Self::BSU.bits()
            | Self::DC.bits() | Self::TWI.bits() | Self::TWE.bits() | Self::TID.bits()
            | Self::TRAP_MAINTENANCE.bits() | Self::TDZ.bits() | Self::HCD.bits()
            | Self::TRVM.bits() | Self::UNCACHED.bits();
        /// Always set.
        const FORCED = Self::VM.bits() | Self::SWIO.bits() | Self::PTW.bits() | Self::FMO.bits()
            | Self::IMO.bits() | Self::AMO.bits() | Self::TSC.bits() | Self::TIDCP.bits()
            | Self::TACTLR.bits() | Self::TLOR.bits() | Self::TERR.bits() | Self::TEA.bits();
    }
}

/// SCTLR_EL1 outside of guests.
pub const SCTLR_GENERIC: u32 = 0x34d0_d824;
/// VMPIDR_EL2 of a new extended vCPU.
pub const VMPIDR_INITIAL: u64 = 1 << 31;
/// Most list registers that a guest sees.
pub const LIST_REGISTERS: usize = 4;

/// Immediate of a [`VIRTUAL_PPI`](super::exception::class::VIRTUAL_PPI) entry: maintenance.
pub const PPI_MAINTENANCE: u16 = 0;
/// Immediate of a [`VIRTUAL_PPI`](super::exception::class::VIRTUAL_PPI) entry: virtual timer.
pub const PPI_VIRTUAL_TIMER: u16 = 1;

/// How the kernel delivers the virtual timer's interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct VirtualTimerConfig(u32);

impl VirtualTimerConfig {
    const DIRECT: u32 = 1 << 16;
    const ENABLED: u32 = 1 << 17;

    /// Takes a word as it is.
    pub const fn from_raw(raw: u32) -> VirtualTimerConfig {
        VirtualTimerConfig(raw)
    }

    /// Interrupt number that the guest sees.
    pub const fn interrupt(self) -> u32 {
        self.0 & 0x1f
    }

    /// Whether the kernel injects it itself.
    pub const fn is_direct(self) -> bool {
        self.0 & Self::DIRECT != 0
    }

    /// Whether the interrupt is enabled.
    pub const fn is_enabled(self) -> bool {
        self.0 & Self::ENABLED != 0
    }

    /// Priority that the guest sees.
    pub const fn priority(self) -> u8 {
        (self.0 >> 24) as u8
    }
}
