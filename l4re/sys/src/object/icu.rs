//! ICU: an interrupt controller. Also spoken by the scheduler, logs and servers with interrupts.

use l4_abi::error::IpcError;
use l4_abi::protocol::icu::Opcode;
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;

use super::Irq;
use crate::ipc::{self, compose, invoke};
use crate::{Cap, Object, Result};

crate::object! {
    /// An interrupt controller.
    ///
    /// Pins are GSI numbers on x86_64, INTIDs on aarch64; MSIs have `PIN_MSI` set.
    pub struct Icu;
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

    /// Unmasks a pin.
    pub fn unmask(&self, pin: u64) -> core::result::Result<(), IpcError> {
        let tag = compose(label::IRQ, &[Opcode::Unmask.word(), pin], &[]);
        ipc::send(self.selector(), tag, TimeoutPair::NEVER)
    }

    fn with_irq(&self, opcode: Opcode, pin: u64, irq: Cap<Irq>) -> Result<()> {
        let irq = irq.pass(CapabilityRights::RWS).item();
        invoke(self.selector(), label::IRQ, &[opcode.word(), pin], &[irq]).map(|_| ())
    }
}
