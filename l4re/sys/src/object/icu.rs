//! ICU: an interrupt controller. Also spoken by the scheduler, logs and servers with interrupts.

use l4_abi::error::IpcError;
use l4_abi::protocol::icu::{Mode, Opcode};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;

use super::Irq;
use crate::ipc::{self, compose, invoke};
use crate::{Cap, Object, Result, Utcb};

crate::object! {
    /// An interrupt controller.
    ///
    /// Pins are GSI numbers on x86_64, INTIDs on aarch64; MSIs have `PIN_MSI` set.
    pub struct Icu;
}

/// What an [`Icu`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcuInfo {
    /// Feature bits.
    pub features: u64,
    /// Number of pins.
    pub pins: u64,
    /// Number of MSIs.
    pub msis: u64,
}

/// What a device writes to raise an MSI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msi {
    /// Where to.
    pub address: u64,
    /// What.
    pub data: u32,
}

impl Icu {
    /// Makes `pin` raise `irq`, which still must be unmasked. Error: EINVAL if the pin is in use.
    pub fn bind(&self, pin: u64, irq: Cap<Irq>) -> Result<()> {
        self.with_irq(Opcode::Bind, pin, irq)
    }

    /// Undoes [`bind`](Self::bind).
    pub fn unbind(&self, pin: u64, irq: Cap<Irq>) -> Result<()> {
        self.with_irq(Opcode::Unbind, pin, irq)
    }

    /// What the controller has.
    pub fn info(&self) -> Result<IcuInfo> {
        invoke(self.selector(), label::IRQ, &[Opcode::Info.word()], &[])?;
        let utcb = Utcb::current();
        Ok(IcuInfo {
            features: utcb.message(0),
            pins: utcb.message(1),
            msis: utcb.message(2),
        })
    }

    /// What the device `source` must write to raise MSI `pin`. Errors: ERANGE, ENOSYS.
    pub fn msi_info(&self, pin: u64, source: u64) -> Result<Msi> {
        invoke(
            self.selector(),
            label::IRQ,
            &[Opcode::MsiInfo.word(), pin, source],
            &[],
        )?;
        let utcb = Utcb::current();
        Ok(Msi {
            address: utcb.message(0),
            data: utcb.message(1) as u32,
        })
    }

    /// Masks a pin.
    pub fn mask(&self, pin: u64) -> core::result::Result<(), IpcError> {
        let tag = compose(label::IRQ, &[Opcode::Mask.word(), pin], &[]);
        ipc::send(self.selector(), tag, TimeoutPair::NEVER)
    }

    /// Unmasks a pin.
    pub fn unmask(&self, pin: u64) -> core::result::Result<(), IpcError> {
        let tag = compose(label::IRQ, &[Opcode::Unmask.word(), pin], &[]);
        ipc::send(self.selector(), tag, TimeoutPair::NEVER)
    }

    /// Sets trigger mode and polarity of a pin.
    pub fn set_mode(&self, pin: u64, mode: Mode) -> Result<()> {
        let words = [Opcode::SetMode.word(), pin, mode.bits()];
        invoke(self.selector(), label::IRQ, &words, &[]).map(|_| ())
    }

    fn with_irq(&self, opcode: Opcode, pin: u64, irq: Cap<Irq>) -> Result<()> {
        let irq = irq.pass(CapabilityRights::RWS).item();
        invoke(self.selector(), label::IRQ, &[opcode.word(), pin], &[irq]).map(|_| ())
    }
}
