//! Log: the kernel's console (Vlog), or a server that tags lines and multiplexes.

use l4_abi::error::IpcError;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::label;
use l4_abi::protocol::log::{
    InputFlags, LocalFlags, Opcode, OutputFlags, READ_COUNT_MASK, READ_DATA_WORD, READ_DONE,
    READ_SIZE, WRITE_DATA_WORD, WRITE_SIZE,
};
use l4_abi::timeout::TimeoutPair;

use super::Icu;
use crate::ipc::{self, invoke};
use crate::{Cap, Object, Result, Utcb};

crate::object! {
    /// A console to write to and read from.
    pub struct Log;
}

/// How much a [`Log::read`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadStatus {
    /// Bytes now in the buffer.
    pub count: usize,
    /// Whether there was no more input.
    pub exhausted: bool,
}

impl Log {
    /// Writes `text`, in as many messages as it takes.
    pub fn write(&self, text: &[u8]) -> core::result::Result<(), IpcError> {
        let utcb = Utcb::current();
        for chunk in text.chunks(WRITE_SIZE) {
            utcb.set_messages(&[Opcode::Write.word(), chunk.len() as u64]);
            utcb.copy_from(WRITE_DATA_WORD * 8, chunk);
            let words = WRITE_DATA_WORD + chunk.len().div_ceil(8);
            let tag = MessageTag::new(label::LOG, words, 0, TagFlags::SCHEDULE);
            ipc::send(self.selector(), tag, TimeoutPair::NEVER)?;
        }
        Ok(())
    }

    /// Takes input that is there, without waiting. Needs the W right.
    pub fn read(&self, buffer: &mut [u8]) -> Result<ReadStatus> {
        let size = buffer.len().min(READ_SIZE);
        let words = [Opcode::Read.word() | (size as u64) << 16];
        invoke(self.selector(), label::LOG, &words, &[])?;
        let utcb = Utcb::current();
        let status = utcb.message(0);
        let count = ((status & READ_COUNT_MASK) as usize).min(size);
        utcb.copy_to(READ_DATA_WORD * 8, &mut buffer[..count]);
        Ok(ReadStatus {
            count,
            exhausted: status & READ_DONE != 0,
        })
    }

    /// Sets how input and output are treated.
    pub fn set_attributes(
        &self,
        input: InputFlags,
        output: OutputFlags,
        local: LocalFlags,
    ) -> Result<()> {
        let set = Opcode::SetAttributes.word();
        let words = [set, input.bits(), output.bits(), local.bits()];
        invoke(self.selector(), label::LOG, &words, &[]).map(|_| ())
    }

    /// The interrupt controller whose pin 0 says that input came.
    pub fn icu(&self) -> Cap<Icu> {
        Cap::new(self.selector())
    }
}
