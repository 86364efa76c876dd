//! Operations of threads that only x86_64 has.

use l4_abi::protocol::label;
use l4_abi::protocol::thread::{OpcodeX86, SegmentBase};

use crate::ipc::invoke;
use crate::object::Thread;
use crate::{Object, Result};

/// Position of the segment in word 0.
const SEGMENT_SHIFT: u32 = 16;

impl Thread {
    /// Sets the FS base, the thread pointer. Error: EINVAL for an address that is not canonical.
    pub fn set_fs_base(&self, base: u64) -> Result<()> {
        let opcode = OpcodeX86::SetSegmentBase.word() | SegmentBase::Fs.word() << SEGMENT_SHIFT;
        invoke(self.selector(), label::THREAD, &[opcode, base], &[]).map(|_| ())
    }
}
