//! Event: streams of input events in a shared buffer. Also an [interrupt controller](super::icu).
//!
//! Source: `abi/08` §7.

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// Answers with the buffer's dataspace.
        GetBuffer = 0,
        /// The result is the number of streams.
        GetStreamCount = 1,
        /// Index. Answers with a description.
        GetStreamInfo = 2,
        /// Number. Answers with a description.
        GetStreamInfoForId = 3,
        /// Number, axes. Answers with their ranges.
        GetAxisInfo = 4,
        /// Number. Answers with the state.
        GetStreamState = 5,
    }
}

/// An entry of the ring in the event buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Event {
    /// Time in µs; zero if the entry is free.
    pub time: i64,
    /// Kind of event.
    pub kind: u16,
    /// Which one of the kind.
    pub code: u16,
    /// Value.
    pub value: i32,
    /// Stream that it belongs to.
    pub stream: u64,
}

const _: () = assert!(core::mem::size_of::<Event>() == 24);
