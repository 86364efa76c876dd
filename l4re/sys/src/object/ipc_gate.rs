//! IPC gate: the end of a channel that a server binds.
//!
//! Control operations work only through a capability with the server right; through any other
//! they reach the bound thread as messages (`abi/05`).

use l4_abi::protocol::ipc_gate::Opcode;
use l4_abi::protocol::label;

use l4_abi::rights::CapabilityRights;

use super::Thread;
use crate::ipc::invoke;
use crate::{Cap, Object, Result, Utcb};

crate::object! {
    /// An IPC gate with the server right.
    pub struct IpcGate;
}

impl IpcGate {
    /// Makes messages through the gate arrive at `thread` with `label`, whose bits 1..0 must be 0.
    ///
    /// Needs the S right on both. Senders that wait for the gate to be bound go on.
    pub fn bind_thread(&self, thread: Cap<Thread>, label: u64) -> Result<()> {
        let thread = thread.pass(CapabilityRights::READ).item();
        let words = [Opcode::BindThread.word(), label];
        invoke(self.selector(), label::KERNEL_OBJECT, &words, &[thread]).map(|_| ())
    }

    /// Lowers the number of counted capabilities by `difference`; the new number.
    ///
    /// The gate then goes when that many capabilities fewer have been removed: a server that keeps
    /// one itself learns that its clients' are gone.
    pub fn decrease_references(&self, difference: u64) -> Result<i64> {
        let words = [Opcode::DecreaseReferences.word(), difference];
        invoke(self.selector(), label::KERNEL_OBJECT, &words, &[])?;
        Ok(Utcb::current().message(0) as i64)
    }
}
