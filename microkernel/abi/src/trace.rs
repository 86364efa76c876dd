//! The trace buffers of a kernel that is built to be watched: how they lie in its memory, for the
//! tool on the host that makes a picture of them.
//!
//! A buffer is an array of entries of [`ENTRY_WORDS`] words. The first one is its header:
//! [`MAGIC`], which CPU it is of ([`NAMES`]: none, it holds names), how many entries were ever
//! written, and ticks per second of the clock. Behind it entries follow each other; when the
//! buffer is full the oldest are overwritten. Of names the first are kept.

/// Words of an entry: ticks of the clock, kind and number (see [`Kind`]), two values.
pub const ENTRY_WORDS: usize = 4;
/// Bytes of an entry.
pub const ENTRY_SIZE: usize = ENTRY_WORDS * 8;
/// First word of a buffer.
pub const MAGIC: u64 = 0x6563_6172_7420_4f42;
/// In place of a CPU's number: the buffer with names.
pub const NAMES: u64 = u64::MAX;
/// How far the number in word 1 is from the kind.
pub const NUMBER_SHIFT: u32 = 8;
/// Source of an interrupt: this plus the number of the pin.
pub const PIN: u64 = 0x100;

/// What an entry tells, in bits 7..0 of word 1. Above them is a number: of the thread that is
/// meant, or 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The thread runs from now on; 0: the CPU idles. Value 0: its task's number.
    Switch = 1,
    /// The thread made a system call: its tag, its destination.
    Syscall = 2,
    /// The thread made a page fault: address, instruction pointer.
    PageFault = 3,
    /// The thread made an exception: error code, instruction pointer.
    Exception = 4,
    /// An interrupt came while the thread ran: its [`Source`] or [`PIN`] plus a number.
    Interrupt = 5,
    /// The kernel is left.
    Leave = 6,
    /// A message of the thread: to the thread in value 0, with the tag in value 1.
    Message = 7,
    /// A message of an interrupt to the thread: the IRQ's number, its label.
    IrqMessage = 8,
    /// The thread's operation maps: flexpage of the source, and where to.
    Map = 9,
    /// The thread's operation unmaps: flexpage.
    Unmap = 10,
    /// The object with this number has a name, 16 bytes in both values.
    Name = 11,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 11] = [
        Kind::Switch,
        Kind::Syscall,
        Kind::PageFault,
        Kind::Exception,
        Kind::Interrupt,
        Kind::Leave,
        Kind::Message,
        Kind::IrqMessage,
        Kind::Map,
        Kind::Unmap,
        Kind::Name,
    ];

    /// The kind in word 1 of an entry.
    pub const fn from_word(word: u64) -> Option<Kind> {
        let number = (word & 0xff) as usize;
        if number == 0 || number > Self::ALL.len() {
            None
        } else {
            Some(Self::ALL[number - 1])
        }
    }
}

/// Where an interrupt came from, if not from a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Source {
    /// This CPU's timer.
    Timer = 0,
    /// Another CPU.
    Ipi = 1,
    /// Nothing.
    Spurious = 2,
}

const _: () = {
    let mut index = 0;
    while index < Kind::ALL.len() {
        assert!(Kind::ALL[index] as usize == index + 1);
        index += 1;
    }
};
