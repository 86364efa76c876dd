//! Platform control: the protocol with label 0 of the ICU object (abi/05).

use l4_abi::error::ResultCode;
use l4_abi::protocol::platform_control::{Opcode, Shutdown};

use super::{Invocation, OperationResult, Outcome, ensure};
use crate::latency;

/// Performs an operation.
pub fn invoke(call: &Invocation<'_>) -> OperationResult {
    call.require_words(1, ResultCode::EMSGTOOSHORT)?;
    match Opcode::from_word(call.word(0)) {
        Some(Opcode::Suspend) => Err(ResultCode::EBUSY.into()),
        Some(Opcode::Shutdown) => {
            ensure(call.tag.words() == 2, ResultCode::EINVAL)?;
            latency::report(call.cpu);
            match Shutdown::from_word(call.word(1)) {
                Some(Shutdown::PowerOff) => call.cpu.kernel.platform.shutdown(),
                Some(Shutdown::Reboot) => call.cpu.kernel.platform.reset(),
                None => Err(ResultCode::ENOSYS.into()),
            }
        }
        Some(Opcode::CpuAllowShutdown) => {
            call.require_words(3, ResultCode::EINVAL)?;
            let online = call.cpu.kernel.quiescence.online();
            match u32::try_from(call.word(1)).map(|id| online.checked_shr(id)) {
                Ok(Some(from)) if from & 1 != 0 => Ok(Outcome::OK),
                _ => Err(ResultCode::EINVAL.into()),
            }
        }
        Some(Opcode::SetTaskAsid) | None => Err(ResultCode::ENOSYS.into()),
    }
}
