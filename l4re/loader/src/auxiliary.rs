//! The segment in which a program asks its L4Re loader for things (`PT_L4_AUX`, `abi/08` §8).

use l4_abi::l4re::{PT_L4_AUX, elf_aux};

use crate::{Elf, Error, ProgramHeader, read_u64};

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Keep this part of the address space free; both ends are inclusive.
    Reserve {
        /// First address.
        start: u64,
        /// Last address.
        end: u64,
    },
    /// Size of the first thread's stack in bytes.
    StackSize(u64),
    /// Lowest address of the first thread's stack.
    StackAddress(u64),
    /// Where to map the kernel info page.
    KipAddress(u64),
    /// Flags for the `ex_regs` call that starts the first thread.
    ExRegsFlags(u64),
    /// A type that this crate does not know; it may be ignored.
    Unknown(u64),
}

/// The records of a program, in order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Elf<'a> {
    /// What the program asks of its loader; nothing if it has no such segment.
    pub fn auxiliary_records(&self) -> Records<'a> {
        let segment = self.auxiliary_segment();
        Records::new(segment.map_or(&[], |header| self.contents(&header)))
    }

    /// Where in the file the records are.
    pub fn auxiliary_segment(&self) -> Option<ProgramHeader> {
        self.find(PT_L4_AUX)
    }
}

impl<'a> Records<'a> {
    /// The records in the contents of such a segment.
    pub const fn new(segment: &'a [u8]) -> Self {
        Self { rest: segment }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let kind = read_u64(self.rest, 0).filter(|&kind| kind != elf_aux::END)?;
        let record = self.take(kind).ok_or(Error::Auxiliary);
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

impl Records<'_> {
    fn take(&mut self, kind: u64) -> Option<Record> {
        // The length counts type and length themselves; shorter ones would never end.
        let length = read_u64(self.rest, 8).and_then(|length| usize::try_from(length).ok())?;
        let values = self.rest.get(16..length)?;
        self.rest = self.rest.get(length..)?;
        let value = |index: u64| read_u64(values, 8 * index);
        Some(match kind {
            elf_aux::VMA => Record::Reserve {
                start: value(0)?,
                end: value(1)?,
            },
            elf_aux::STACK_SIZE => Record::StackSize(value(0)?),
            elf_aux::STACK_ADDRESS => Record::StackAddress(value(0)?),
            elf_aux::KIP_ADDRESS => Record::KipAddress(value(0)?),
            elf_aux::EX_REGS_FLAGS => Record::ExRegsFlags(value(0)?),
            other => Record::Unknown(other),
        })
    }
}
