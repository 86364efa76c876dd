//! Debugger: names for kernel objects. Kernels without it leave the slot empty.

use l4_abi::capability::{Selector, slot};
use l4_abi::protocol::debugger::ObjectOpcode;
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;

use crate::ipc::invoke;
use crate::{Cap, Object, Result, Utcb};

crate::object! {
    /// The kernel debugger.
    pub struct Debugger;
}

/// Longest name that is sent, in bytes.
const NAME_LENGTH: usize = 32;

impl Debugger {
    /// The debugger in the slot where the kernel puts it.
    pub const KERNEL: Self = Self(Selector::new(slot::DEBUGGER));

    /// Names an object in the debugger's output; a long name is cut.
    pub fn set_name<T: Object>(&self, object: Cap<T>, name: &str) -> Result<()> {
        let mut words = [0; 1 + NAME_LENGTH / 8];
        words[0] = ObjectOpcode::SetName.word();
        // One byte stays for the NUL.
        for (index, byte) in name.bytes().take(NAME_LENGTH - 1).enumerate() {
            words[1 + index / 8] |= u64::from(byte) << (index % 8 * 8);
        }
        let used = 1 + (name.len().min(NAME_LENGTH - 1) + 1).div_ceil(8);
        let object = object.pass(CapabilityRights::RWS).item();
        invoke(self.selector(), label::DEBUGGER, &words[..used], &[object]).map(|_| ())
    }

    /// The number under which the debugger shows an object.
    pub fn global_id<T: Object>(&self, object: Cap<T>) -> Result<u64> {
        let object = object.pass(CapabilityRights::RWS).item();
        let words = [ObjectOpcode::GlobalId.word()];
        invoke(self.selector(), label::DEBUGGER, &words, &[object])?;
        Ok(Utcb::current().message(0))
    }
}
