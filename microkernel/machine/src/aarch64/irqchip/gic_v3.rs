//! GIC version 3 (IHI 0069): CPU interfaces by system registers, and a
//! redistributor for each CPU.

use super::distributor::{self, Distributor};
use super::{FIRST_PRIVATE, IPI, LOWEST_PRIORITY, OWN};
use crate::arch::mmio::Registers;

/// Offsets of a redistributor's registers.
mod offset {
    pub(super) const TYPE: usize = 0x08;
    pub(super) const WAKER: usize = 0x14;
    /// The frame with the CPU's own interrupts.
    pub(super) const OWN_INTERRUPTS: usize = 0x1_0000;
}

/// GICD_CTLR as a non-secure kernel or the only security state sees it:
/// group 1 in either view, affinity routing.
const ENABLE: u32 = 1 << 0 | 1 << 1 | 1 << 4;
/// All interrupts are of group 1, which is signalled as IRQ.
const GROUP: u32 = u32::MAX;
/// GICR_TYPER: the last of the region; it has the frames of version 4.
const TYPE_LAST: u64 = 1 << 4;
const TYPE_VIRTUAL: u64 = 1 << 1;
/// Bytes of a redistributor: two frames, four in version 4.
const STRIDE: usize = 0x2_0000;
const STRIDE_VIRTUAL: usize = 0x4_0000;
/// GICR_WAKER.
const SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;
/// How often that is looked at.
const WAKE_PATIENCE: u32 = 1_000_000;

/// ICC_SRE_EL2: system registers, here and for EL1; no bypass.
const SYSTEM_REGISTERS: u64 = 0xf;

/// The controller.
pub(crate) struct GicV3 {
    distributor: Distributor,
    redistributors: Registers,
    /// Bytes there.
    size: usize,
}

impl GicV3 {
    /// Takes the controller over. `redistributors` are in one region of
    /// `size` bytes.
    pub(crate) fn new(distributor: Registers, redistributors: Registers, size: usize) -> Self {
        let gic = Self {
            distributor: Distributor::new(distributor, ENABLE, GROUP),
            redistributors,
            size,
        };
        let hardware_id = read_register!("mpidr_el1");
        for pin in super::FIRST_SHARED..gic.distributor.interrupts {
            gic.distributor.route(pin, hardware_id);
        }
        gic
    }

    pub(super) fn initialise_cpu(&self) {
        let redistributor = self.redistributor();
        redistributor.write(offset::WAKER, redistributor.read(offset::WAKER) & !SLEEP);
        for _ in 0..WAKE_PATIENCE {
            if redistributor.read(offset::WAKER) & CHILDREN_ASLEEP == 0 {
                break;
            }
        }
        let own = redistributor.offset(offset::OWN_INTERRUPTS);
        distributor::initialise_bank(own, 0, GROUP);
        distributor::enable_own(own, OWN);
        barrier!("dsb sy");

        // SAFETY: the CPU has the interface (ID_AA64PFR0_EL1.GIC), or there
        // would be no such controller; interrupts are masked here.
        unsafe {
            write_register!("S3_4_C12_C9_5", SYSTEM_REGISTERS); // ICC_SRE_EL2
            barrier!("isb");
            write_register!("S3_4_C12_C11_0", 0); // ICH_HCR_EL2
            write_register!("S3_0_C4_C6_0", u64::from(LOWEST_PRIORITY)); // ICC_PMR_EL1
            write_register!("S3_0_C12_C12_3", 0); // ICC_BPR1_EL1
            write_register!("S3_0_C12_C12_4", 0); // ICC_CTLR_EL1: one write ends an interrupt
            write_register!("S3_0_C12_C12_7", 1); // ICC_IGRPEN1_EL1
        }
        barrier!("isb");
    }

    /// This CPU's redistributor.
    ///
    /// # Panics
    /// If there is none, which only a wrong device tree can cause.
    fn redistributor(&self) -> Registers {
        let affinity = affinity(read_register!("mpidr_el1"));
        let mut offset = 0;
        while offset + STRIDE <= self.size {
            let redistributor = self.redistributors.offset(offset);
            let kind = redistributor.read_long(offset::TYPE);
            if kind >> 32 == affinity {
                return redistributor;
            }
            if kind & TYPE_LAST != 0 {
                break;
            }
            offset += if kind & TYPE_VIRTUAL != 0 {
                STRIDE_VIRTUAL
            } else {
                STRIDE
            };
        }
        panic!("no GIC redistributor for CPU {affinity:#x}")
    }

    pub(super) fn distributor(&self) -> &Distributor {
        &self.distributor
    }

    pub(super) fn version(&self) -> u8 {
        3
    }

    /// Guests have their CPU interface in the CPU.
    pub(super) fn guest_interface(&self) -> Option<u64> {
        None
    }

    /// Devices send no messages: that needs an ITS driver.
    pub(super) fn messages(&self) -> u32 {
        0
    }

    pub(super) fn message(&self, _: u32) -> Option<(u64, u32)> {
        None
    }

    #[inline]
    pub(super) fn claim(&self) -> u32 {
        let claimed = read_register!("S3_0_C12_C12_0"); // ICC_IAR1_EL1
        barrier!("dsb sy");
        claimed as u32
    }

    #[inline]
    pub(super) fn end(&self, claimed: u32) {
        // SAFETY: ends an interrupt, at worst too early.
        unsafe { write_register!("S3_0_C12_C12_1", u64::from(claimed)) }; // ICC_EOIR1_EL1
        barrier!("isb");
    }

    pub(super) fn route(&self, pin: u32, hardware_id: u64) {
        self.distributor.route(pin, hardware_id);
    }

    pub(super) fn send_ipi(&self, hardware_id: u64) {
        let affinity = affinity(hardware_id);
        let (aff0, aff1) = (affinity & 0xff, affinity >> 8 & 0xff);
        let (aff2, aff3) = (affinity >> 16 & 0xff, affinity >> 24);
        let range = aff0 / u64::from(FIRST_PRIVATE);
        let value = aff3 << 48
            | range << 44
            | aff2 << 32
            | u64::from(IPI) << 24
            | aff1 << 16
            | 1 << (aff0 % u64::from(FIRST_PRIVATE));
        barrier!("dsb ishst");
        // SAFETY: raises an interrupt on another CPU.
        unsafe { write_register!("S3_0_C12_C11_5", value) }; // ICC_SGI1R_EL1
        barrier!("isb");
    }
}

/// A hardware id (MPIDR) as GICR_TYPER has it: four fields in a row.
fn affinity(hardware_id: u64) -> u64 {
    hardware_id & 0xff_ffff | hardware_id >> 8 & 0xff00_0000
}
