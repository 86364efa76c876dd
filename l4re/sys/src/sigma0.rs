//! The root pager, sigma0 (`abi/07` §3), which its clients have in the slot of their pager.

use l4_abi::capability::{Selector, slot};
use l4_abi::flexpage::{Flexpage, PAGE_SIZE};
use l4_abi::item::ReceiveBuffer;
use l4_abi::protocol::label;
use l4_abi::protocol::sigma0::Request;
use l4_abi::timeout::TimeoutPair;
use l4_abi::utcb::BufferDescriptor;

use crate::ipc::{call, check, compose};
use crate::{Result, Utcb};

/// Asks for what `wish` names, to be mapped into `window`; where it lies in the machine's memory.
///
/// # Errors
/// ENOMEM if it is not there, or is somebody else's.
pub fn request(request: Request, wish: Flexpage, window: Flexpage) -> Result<u64> {
    let utcb = Utcb::current();
    utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
    utcb.set_buffer(0, ReceiveBuffer::WINDOW_WORD);
    utcb.set_buffer(1, window.raw());
    utcb.set_buffer(2, 0);
    let tag = compose(label::SIGMA0, &[request.request_word(), wish.raw()], &[]);
    let answer = call(Selector::new(slot::PAGER), tag, TimeoutPair::NEVER);
    // Nothing is mapped there by another message.
    utcb.set_buffer(0, 0);
    check(answer?)?;
    Ok(utcb.message(0) & !(PAGE_SIZE - 1))
}
