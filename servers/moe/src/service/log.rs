//! Requests to logs.

use l4_abi::capability::slot;
use l4_abi::error::ResultCode;
use l4_abi::protocol::log::INPUT_PIN;
use l4_ipc::{CapabilityRights, Outcome, Received, Request};
use l4_sys::Cap;
use l4_sys::object::{Irq, Log as KernelLog};
use l4re::icu::IcuServer;
use l4re::log::{LogServer, ReadResult};

use super::Service;
use crate::bank::Bank;
use crate::moe::print;
use crate::object::log::Log;

impl Service<'_> {
    fn log(&mut self) -> Outcome<(&mut Log, &mut Bank)> {
        self.moe.find(self.id)
    }

    /// The kernel's log, if this log has the console's input.
    fn console(&mut self, pin: u64) -> Outcome<Cap<KernelLog>> {
        if pin == INPUT_PIN && self.log()?.0.has_input() {
            Ok(Cap::at(slot::LOG))
        } else {
            Err(ResultCode::EINVAL)
        }
    }
}

impl LogServer for Service<'_> {
    fn write(&mut self, _: &mut Request<'_>, text: &[u8]) {
        if let Ok((log, bank)) = self.log() {
            log.write(bank, text, &mut print);
        }
    }

    fn read(&mut self, _: &mut Request<'_>, buffer: &mut [u8]) -> Outcome<ReadResult> {
        let (log, _) = self.log()?;
        if !log.has_input() {
            return Ok(ReadResult {
                count: 0,
                exhausted: true,
                is_break: false,
            });
        }
        log.flush(&mut print);
        let status = Cap::<KernelLog>::at(slot::LOG).read(buffer)?;
        Ok(ReadResult {
            count: status.count,
            exhausted: status.exhausted,
            is_break: false,
        })
    }
}

impl IcuServer for Service<'_> {
    /// The kernel then raises the client's interrupt itself; moe is not in between.
    fn bind(&mut self, request: &mut Request<'_>, pin: u64, irq: Received<Irq>) -> Outcome<()> {
        request.require(CapabilityRights::WRITE)?;
        Ok(self
            .console(pin)?
            .icu()
            .bind(INPUT_PIN, irq.capability()?)?)
    }

    fn unbind(&mut self, _: &mut Request<'_>, pin: u64, irq: Received<Irq>) -> Outcome<()> {
        Ok(self
            .console(pin)?
            .icu()
            .unbind(INPUT_PIN, irq.capability()?)?)
    }

    fn info(&mut self, _: &mut Request<'_>) -> Outcome<(u64, u64, u64)> {
        Ok((0, u64::from(self.log()?.0.has_input()), 0))
    }

    fn msi_info(&mut self, _: &mut Request<'_>, _: u64, _: u64) -> Outcome<(u64, u32)> {
        Err(ResultCode::ENOSYS)
    }

    /// Clients unmask their interrupt object.
    fn unmask(&mut self, _: &mut Request<'_>, _: u64) -> Outcome<()> {
        Ok(())
    }

    fn mask(&mut self, _: &mut Request<'_>, _: u64) -> Outcome<()> {
        Ok(())
    }

    fn set_mode(&mut self, _: &mut Request<'_>, _: u64, _: u64) -> Outcome<()> {
        Err(ResultCode::EINVAL)
    }
}
