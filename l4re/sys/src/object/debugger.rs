//! Debugger: names for kernel objects. Kernels without it leave the slot empty.

use l4_abi::capability::{Selector, slot};
use l4_abi::protocol::debugger::ObjectOpcode;
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;

use super::{Task, Thread};
use crate::ipc::invoke;
use crate::{Cap, Object, Result};

crate::object! {
    /// The kernel debugger.
    pub struct Debugger;
}

/// Longest name that is sent, in bytes, the zero byte behind it included.
const NAME_LENGTH: usize = 32;
/// Words before a name, at most.
const MOST_WORDS: usize = 2;

impl Debugger {
    /// The debugger in the slot where the kernel puts it.
    pub const KERNEL: Self = Self(Selector::new(slot::DEBUGGER));

    /// Names an object in the debugger's output; a long name is cut.
    pub fn set_name<T: Object>(&self, object: Cap<T>, name: &str) -> Result<()> {
        self.send_text(&[ObjectOpcode::SetName.word()], name, object)
    }

    /// Tells that a program was loaded into `task`, so far from where it was
    /// linked; a long name is cut.
    pub fn add_image(&self, task: Cap<Task>, base: u64, program: &str) -> Result<()> {
        self.send_text(&[ObjectOpcode::AddImageInfo.word(), base], program, task)
    }

    /// Names a new task and its first thread, and tells what program runs
    /// there. Without a debugger this does nothing.
    pub fn introduce(&self, task: Cap<Task>, thread: Cap<Thread>, name: &str, program: &str) {
        // Nothing depends on it.
        let _ = self
            .set_name(task, name)
            .and_then(|()| self.set_name(thread, name))
            .and_then(|()| self.add_image(task, 0, program));
    }

    /// An operation whose last argument is a text, with a zero byte behind it.
    fn send_text<T: Object>(&self, first: &[u64], text: &str, object: Cap<T>) -> Result<()> {
        let mut words = [0; MOST_WORDS + NAME_LENGTH / 8];
        words[..first.len()].copy_from_slice(first);
        let text = text.bytes().take(NAME_LENGTH - 1);
        let used = first.len() + (text.len() + 1).div_ceil(8);
        for (index, byte) in text.enumerate() {
            words[first.len() + index / 8] |= u64::from(byte) << (index % 8 * 8);
        }
        let object = object.pass(CapabilityRights::RWS).item();
        invoke(self.selector(), label::DEBUGGER, &words[..used], &[object]).map(|_| ())
    }
}
