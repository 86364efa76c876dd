//! Event: input events in a shared ring. New ones are announced by interrupt 0 of its ICU.

use l4_abi::protocol::event::Opcode;
use l4_abi::protocol::label;
use l4_ipc::Label;
use l4_sys::OwnedCap;

use crate::Dataspace;

pub use l4_abi::protocol::event::Event as Entry;

l4_ipc::interface! {
    /// Streams of input events.
    pub interface Event, served by EventServer {
        protocol: label::EVENT,
        opcode: i32,

        /// The ring of [`Entry`] structures.
        fn get_buffer() -> OwnedCap<Dataspace> = Opcode::GetBuffer;
        /// How many streams write to it.
        fn get_num_streams() -> Label = Opcode::GetStreamCount;
    }
}
