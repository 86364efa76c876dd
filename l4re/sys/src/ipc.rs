//! The IPC operations on the message in the calling thread's UTCB (`abi/01`, `abi/03`).

use core::time::Duration;

use l4_abi::capability::Selector;
use l4_abi::error::{IpcError, ResultCode};
use l4_abi::item::MapItem;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::{Destination, Operation};
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_abi::utcb::BufferDescriptor;

use crate::{Result, Utcb};

/// Result of an IPC operation.
pub type IpcResult<T> = core::result::Result<T, IpcError>;

/// A message that arrived; its words and items are in the UTCB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// What the message consists of.
    pub tag: MessageTag,
    /// The label of the IPC gate or interrupt that it came through.
    pub label: u64,
}

/// Performs one system call; the tag and label registers as the kernel left them.
///
/// For those who want to see the tag of a failed operation too; all others use [`operate`].
#[inline(always)]
pub fn operate_raw(
    selector: Selector,
    operation: Operation,
    tag: MessageTag,
    label: u64,
    timeouts: TimeoutPair,
) -> Arrival {
    let destination = Destination::new(selector, operation).raw();
    // SAFETY: see the crate's documentation: invoking a capability cannot break what Rust code
    // may rely on.
    let (tag, label) =
        unsafe { crate::arch::system_call(tag.raw(), destination, label, timeouts.raw() as u64) };
    Arrival {
        tag: MessageTag::from_raw(tag),
        label,
    }
}

/// Performs one system call.
///
/// # Errors
/// What the kernel left in the UTCB, if the returned tag says that the IPC failed.
#[inline(always)]
pub fn operate(
    selector: Selector,
    operation: Operation,
    tag: MessageTag,
    label: u64,
    timeouts: TimeoutPair,
) -> IpcResult<Arrival> {
    let arrival = operate_raw(selector, operation, tag, label, timeouts);
    if arrival.tag.has_error() {
        Err(Utcb::current().error())
    } else {
        Ok(arrival)
    }
}

/// Sends to `selector` and waits for the answer; the tag of the answer.
#[inline(always)]
pub fn call(selector: Selector, tag: MessageTag, timeouts: TimeoutPair) -> IpcResult<MessageTag> {
    operate(selector, Operation::CALL, tag, 0, timeouts).map(|arrival| arrival.tag)
}

/// Sends to `selector` without waiting for an answer.
#[inline(always)]
pub fn send(selector: Selector, tag: MessageTag, timeouts: TimeoutPair) -> IpcResult<()> {
    operate(selector, Operation::SEND, tag, 0, timeouts).map(|_| ())
}

/// Waits for a message of the thread, or of the interrupt, that `selector` names.
#[inline(always)]
pub fn receive(selector: Selector, timeouts: TimeoutPair) -> IpcResult<Arrival> {
    operate(selector, Operation::RECEIVE, MessageTag::EMPTY, 0, timeouts)
}

/// Waits for a message of anyone.
#[inline(always)]
pub fn wait(timeouts: TimeoutPair) -> IpcResult<Arrival> {
    operate(
        Selector::INVALID,
        Operation::WAIT,
        MessageTag::EMPTY,
        0,
        timeouts,
    )
}

/// Answers the last caller, if it still waits, and waits for a message of anyone.
///
/// # Errors
/// If the answer could not be sent (an error of the send phase) nothing was waited for.
#[inline(always)]
pub fn reply_and_wait(tag: MessageTag, timeouts: TimeoutPair) -> IpcResult<Arrival> {
    operate(
        Selector::INVALID,
        Operation::REPLY_AND_WAIT,
        tag,
        0,
        timeouts,
    )
}

/// Answers the last caller.
#[inline(always)]
pub fn reply(tag: MessageTag) -> IpcResult<()> {
    operate(
        Selector::INVALID,
        Operation::SEND_REPLY,
        tag,
        0,
        TimeoutPair::BOTH_ZERO,
    )
    .map(|_| ())
}

/// Lets other threads of the same priority run.
pub fn yield_now() {
    // The wait for oneself ends with a timeout; that is its purpose.
    let _ = receive(Selector::INVALID, TimeoutPair::BOTH_ZERO);
}

/// Sleeps for at least `duration`, unless another thread cancels the wait.
///
/// A timeout has ten significant bits (`abi/01`), so a long sleep can last 0.2 % longer.
pub fn sleep(duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let timeouts = TimeoutPair::new(Timeout::NEVER, Timeout::from_micros(micros));
    let _ = receive(Selector::INVALID, timeouts);
}

/// Sleeps for ever.
pub fn sleep_forever() -> ! {
    loop {
        let _ = receive(Selector::INVALID, TimeoutPair::NEVER);
    }
}

/// Puts a request into the message registers: words from MR0 on, then the items.
#[inline(always)]
pub(crate) fn compose(protocol: i64, words: &[u64], items: &[MapItem]) -> MessageTag {
    let utcb = Utcb::current();
    utcb.set_messages(words);
    for (index, item) in items.iter().enumerate() {
        let register = words.len() + 2 * index;
        utcb.set_message(register, item.control.raw());
        utcb.set_message(register + 1, item.flexpage.raw());
    }
    MessageTag::new(protocol, words.len(), items.len(), TagFlags::empty())
}

/// Calls an object of the kernel, or a server that stands in for one.
///
/// No receive buffer is armed: a server must not map anything through those of an earlier call.
#[inline(always)]
pub(crate) fn invoke(
    selector: Selector,
    protocol: i64,
    words: &[u64],
    items: &[MapItem],
) -> Result<MessageTag> {
    invoke_receiving(0, selector, protocol, words, items)
}

/// As [`invoke`], with one receive buffer, for a capability to arrive in.
#[inline(always)]
pub(crate) fn invoke_receiving(
    buffer: u64,
    selector: Selector,
    protocol: i64,
    words: &[u64],
    items: &[MapItem],
) -> Result<MessageTag> {
    let utcb = Utcb::current();
    utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
    utcb.set_buffer(0, buffer);
    if buffer != 0 {
        // The first buffer that is void ends them.
        utcb.set_buffer(1, 0);
    }
    let tag = compose(protocol, words, items);
    check(call(selector, tag, TimeoutPair::NEVER)?)
}

/// Makes a negative label of an answer an error.
#[inline(always)]
pub fn check(tag: MessageTag) -> Result<MessageTag> {
    if tag.label() < 0 {
        refused(tag)
    } else {
        Ok(tag)
    }
}

#[cold]
#[inline(never)]
fn refused(tag: MessageTag) -> Result<MessageTag> {
    ResultCode::from_label(tag.label()).map_or(Ok(tag), |code| Err(code.into()))
}
