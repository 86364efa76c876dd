//! Requests to logs.

use l4_abi::capability::slot;
use l4_abi::error::ResultCode;
use l4_abi::protocol::log::INPUT_PIN;
use l4_ipc::{CapabilityRights, Outcome, Received, Request};
use l4_sys::Cap;
use l4_sys::object::{Irq, Log as KernelLog};
use l4re::icu::OneInterrupt;
use l4re::log::{LogServer, ReadStatus};

use super::Service;
use crate::bank::Bank;
use crate::moe::print;
use crate::object::log::Log;

impl Service<'_> {
    fn log(&mut self) -> Outcome<(&mut Log, &mut Bank)> {
        self.moe.find(self.id)
    }

    /// The kernel's log, if this log has the console's input.
    fn console(&mut self) -> Outcome<Cap<KernelLog>> {
        if self.log()?.0.has_input() {
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

    fn read(&mut self, _: &mut Request<'_>, buffer: &mut [u8]) -> Outcome<ReadStatus> {
        let (log, _) = self.log()?;
        if !log.has_input() {
            return Ok(ReadStatus {
                count: 0,
                exhausted: true,
            });
        }
        log.flush(&mut print);
        let status = Cap::<KernelLog>::at(slot::LOG).read(buffer)?;
        Ok(ReadStatus {
            count: status.count,
            exhausted: status.exhausted,
        })
    }
}

impl OneInterrupt for Service<'_> {
    /// The kernel then raises the client's interrupt itself; moe is not in between.
    fn bind(&mut self, request: &mut Request<'_>, irq: Received<Irq>) -> Outcome<()> {
        request.require(CapabilityRights::WRITE)?;
        Ok(self.console()?.icu().bind(INPUT_PIN, irq.capability()?)?)
    }

    fn unbind(&mut self, irq: Received<Irq>) -> Outcome<()> {
        Ok(self.console()?.icu().unbind(INPUT_PIN, irq.capability()?)?)
    }
}
