//! Messages word by word, as no library would send them.

use l4_abi::capability::Selector;
use l4_abi::error::{IpcError, ResultCode};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_abi::utcb::BufferDescriptor;
use l4_sys::{Utcb, ipc};

/// How long an answer may take. Some requests have none.
const PATIENCE_MICROS: u64 = 20_000;

/// What came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// A label that is no error.
    Accepted(i64),
    /// An error in the label.
    Refused(ResultCode),
    /// The IPC failed.
    Failed(IpcError),
}

/// Calls `selector` with a message of these words, of which the last `2 * items` are items.
pub(crate) fn call(selector: Selector, label: i64, words: &[u64], items: usize) -> Answer {
    let utcb = Utcb::current();
    utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
    utcb.set_buffer(0, 0);
    utcb.set_messages(words);
    let untyped = words.len().saturating_sub(2 * items);
    send(
        selector,
        MessageTag::new(label, untyped, items, TagFlags::empty()),
    )
}

/// Calls `selector` with whatever is in the message registers.
pub(crate) fn send(selector: Selector, tag: MessageTag) -> Answer {
    let patience = Timeout::from_micros(PATIENCE_MICROS);
    match ipc::call(selector, tag, TimeoutPair::new(patience, patience)) {
        Ok(answer) => match ResultCode::from_label(answer.label()) {
            Some(code) => Answer::Refused(code),
            None => Answer::Accepted(answer.label()),
        },
        Err(error) => Answer::Failed(error),
    }
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next one.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        self.0 ^ self.0 >> 33
    }

    /// One that is likely to hit something: small, at a border, or anything.
    pub(crate) fn interesting(&mut self) -> u64 {
        let number = self.next();
        match number % 8 {
            0 => number >> 60,
            1 => u64::MAX - (number >> 60),
            2 => 1 << (number >> 58),
            3 => (1 << (number >> 58)) - 1,
            4 => 0xb300_0000 + (number >> 52),
            5 => number & !0xfff,
            6 => 0,
            _ => number,
        }
    }
}
