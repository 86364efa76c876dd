//! Platform control: power off and restart. The same object as the kernel's ICU.

use l4_abi::protocol::label;
use l4_abi::protocol::platform_control::{Opcode, Shutdown};

use crate::ipc::invoke;
use crate::{Object, Result};

crate::object! {
    /// The platform's power.
    pub struct PlatformControl;
}

impl PlatformControl {
    /// Ends the system. Returns only if the platform cannot do it.
    pub fn shutdown(&self, kind: Shutdown) -> Result<()> {
        let words = [Opcode::Shutdown.word(), kind.word()];
        invoke(self.selector(), label::NONE, &words, &[]).map(|_| ())
    }
}
