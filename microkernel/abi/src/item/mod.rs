//! Typed message items, receive buffers, and what the receiver finds afterwards.
//!
//! Everything here is a pure function over message words: the kernel feeds it UTCB words that
//! the user may change at any time, so each word is read once and judged by its value.
//!
//! Source: `abi/03` §4.

mod receive_buffer;
mod received;
mod send;

pub use receive_buffer::{BufferCursors, BufferFlags, ReceiveBuffer, ReceiveTarget};
pub use received::{Delivery, ReceivedItem};
pub use send::{CacheMode, ItemControl, ItemFlags, MapItem, SendItem};

/// Message words of one item.
pub const ITEM_WORDS: usize = 2;

/// An item or buffer that does not fit: IPC error 8 for the sender, 9 for the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;
