//! Messages word by word, and everything that comes back.
//!
//! `l4-sys` only lets well-formed requests through; tests need the others too.

use l4_abi::capability::Selector;
use l4_abi::error::{IpcError, ResultCode};
use l4_abi::item::MapItem;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::Operation;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_abi::utcb::{BufferDescriptor, MESSAGE_REGISTERS};
use l4_sys::ipc::{self, Arrival};
use l4_sys::{AnyObject, Cap, Error, Object, Utcb};

/// Items that a message can have here.
const ITEMS_MAX: usize = 4;

/// A message to send.
#[derive(Clone, Copy)]
pub struct Message<'w> {
    label: i64,
    words: &'w [u64],
    items: [[u64; 2]; ITEMS_MAX],
    item_count: usize,
    flags: TagFlags,
    send_label: u64,
    timeouts: TimeoutPair,
}

impl<'w> Message<'w> {
    /// A message of this protocol without content.
    pub const fn new(label: i64) -> Self {
        Self {
            label,
            words: &[],
            items: [[0; 2]; ITEMS_MAX],
            item_count: 0,
            flags: TagFlags::empty(),
            send_label: 0,
            timeouts: TimeoutPair::NEVER,
        }
    }

    /// With these words.
    pub const fn words(self, words: &'w [u64]) -> Self {
        Self { words, ..self }
    }

    /// With one more item, given as its two words.
    pub const fn raw_item(mut self, control: u64, flexpage: u64) -> Self {
        self.items[self.item_count] = [control, flexpage];
        self.item_count += 1;
        self
    }

    /// With one more item.
    pub const fn item(self, item: MapItem) -> Self {
        self.raw_item(item.control.raw(), item.flexpage.raw())
    }

    /// With a capability as argument.
    pub fn capability<T: Object>(self, capability: Cap<T>, rights: CapabilityRights) -> Self {
        self.item(capability.pass(rights).item())
    }

    /// With flags in its tag.
    pub const fn flags(self, flags: TagFlags) -> Self {
        Self { flags, ..self }
    }

    /// With this value in the label register.
    pub const fn send_label(self, send_label: u64) -> Self {
        Self { send_label, ..self }
    }

    /// With these timeouts instead of none.
    pub const fn timeouts(self, timeouts: TimeoutPair) -> Self {
        Self { timeouts, ..self }
    }

    /// With a send timeout, and none for the receive phase.
    pub const fn send_timeout(self, timeout: Timeout) -> Self {
        self.timeouts(TimeoutPair::new(timeout, Timeout::NEVER))
    }

    /// With a receive timeout, and none for the send phase.
    pub const fn receive_timeout(self, timeout: Timeout) -> Self {
        self.timeouts(TimeoutPair::new(Timeout::NEVER, timeout))
    }

    /// The tag that goes with the message.
    pub fn tag(&self) -> MessageTag {
        MessageTag::new(self.label, self.words.len(), self.item_count, self.flags)
    }

    /// Performs `operation` with this message.
    pub fn operate(&self, selector: Selector, operation: Operation) -> Reply {
        let utcb = Utcb::current();
        utcb.set_messages(self.words);
        let items = self.items[..self.item_count].as_flattened();
        for (index, word) in items.iter().enumerate() {
            // Tests of overflowing messages have items that reach beyond the last register.
            if self.words.len() + index < MESSAGE_REGISTERS {
                utcb.set_message(self.words.len() + index, *word);
            }
        }
        Reply::new(ipc::operate_raw(
            selector,
            operation,
            self.tag(),
            self.send_label,
            self.timeouts,
        ))
    }

    /// Sends it and waits for the answer.
    pub fn call(&self, object: impl Object) -> Reply {
        self.operate(object.selector(), Operation::CALL)
    }

    /// Sends it.
    pub fn send(&self, object: impl Object) -> Reply {
        self.operate(object.selector(), Operation::SEND)
    }

    /// Answers the last caller.
    pub fn reply(&self) -> Reply {
        self.operate(Selector::INVALID, Operation::SEND_REPLY)
    }

    /// Answers the last caller and waits for anyone.
    pub fn reply_and_wait(&self) -> Reply {
        self.operate(Selector::INVALID, Operation::REPLY_AND_WAIT)
    }
}

/// Waits for anyone.
pub fn wait() -> Reply {
    wait_for(Timeout::NEVER)
}

/// Waits for anyone, for at most this time.
pub fn wait_for(timeout: Timeout) -> Reply {
    Message::new(0)
        .receive_timeout(timeout)
        .operate(Selector::INVALID, Operation::WAIT)
}

/// Waits for this partner, for at most this time.
pub fn receive(partner: impl Object, timeout: Timeout) -> Reply {
    Message::new(0)
        .receive_timeout(timeout)
        .operate(partner.selector(), Operation::RECEIVE)
}

/// The partner of nobody: who waits for it sleeps.
pub fn nobody() -> AnyObject {
    AnyObject::from_selector(Selector::INVALID)
}

/// What an operation gave; its words are in the UTCB until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The tag register.
    pub tag: MessageTag,
    /// The label register.
    pub label: u64,
    /// The error in the UTCB, if the tag says that there is one.
    pub error: Option<IpcError>,
}

/// The label of a message that came, or why none did.
pub type Outcome = Result<i64, Error>;

impl Reply {
    fn new(arrival: Arrival) -> Self {
        let tag = arrival.tag;
        Self {
            tag,
            label: arrival.label,
            error: tag.has_error().then(|| Utcb::current().error()),
        }
    }

    /// The tag's label: a result if it is not negative.
    pub fn outcome(&self) -> Outcome {
        if let Some(error) = self.error {
            return Err(Error::Ipc(error));
        }
        match ResultCode::from_label(self.tag.label()) {
            Some(code) => Err(Error::Result(code)),
            None => Ok(self.tag.label()),
        }
    }

    /// Whether a message came, whatever its label.
    pub fn came(&self) -> bool {
        self.error.is_none()
    }
}

/// What a request gives that is refused with `code`.
pub const fn refused<T>(code: ResultCode) -> Result<T, Error> {
    Err(Error::Result(code))
}

/// What an operation gives that fails with `error`.
pub const fn failed<T>(error: IpcError) -> Result<T, Error> {
    Err(Error::Ipc(error))
}

/// Message register `index` of the calling thread.
pub fn word(index: usize) -> u64 {
    Utcb::current().message(index)
}

/// Arms receive buffers: these words from the first buffer register on, for all types of items.
pub fn accept(words: &[u64]) {
    let utcb = Utcb::current();
    utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
    for (index, word) in words.iter().chain(&[0]).enumerate() {
        utcb.set_buffer(index, *word);
    }
}

/// Arms no receive buffer.
pub fn accept_nothing() {
    accept(&[]);
}
