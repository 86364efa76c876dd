//! The receiving end: the loop, and what the expansion of [`interface!`](crate::interface!) calls.

pub(crate) mod receive;
mod request;

use core::convert::Infallible;

use l4_abi::error::ResultCode;
use l4_abi::message_tag::MessageTag;
use l4_abi::timeout::TimeoutPair;
use l4_sys::{Result, ipc};

use crate::{Interface, Opcode, Outcome, Output, Reader, Writer, meta};

use receive::ReceiveSlots;
pub use request::Request;

/// What becomes of a handled request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Response {
    /// The message in the UTCB, described by this tag, goes to the caller.
    Answer(MessageTag),
    /// Nobody gets an answer: the request was only sent, was an interrupt, or the caller waits on.
    None,
}

impl Response {
    /// The answer of a request that failed. ENOREPLY and EDROPREPLY give none.
    pub fn error(code: ResultCode) -> Self {
        match code {
            ResultCode::ENOREPLY | ResultCode::EDROPREPLY => Self::None,
            code => Self::Answer(MessageTag::label_only(code.label())),
        }
    }

    /// An answer without content.
    pub fn done() -> Self {
        Self::Answer(MessageTag::EMPTY)
    }
}

/// Waits for requests and lets `handle` answer them, for ever.
///
/// `handle` gets every message that reaches the calling thread: requests through any gate bound to
/// it, and interrupts. It tells them apart by [`Request::label`]. A caller that does not wait for
/// its answer does not hold the server up.
///
/// # Errors
/// Only if the slots for received capabilities cannot be allocated.
pub fn serve(mut handle: impl FnMut(&mut Request<'_>) -> Response) -> Result<Infallible> {
    let mut slots = ReceiveSlots::allocate()?;
    let mut response = Response::None;
    loop {
        slots.arm();
        let arrival = match response {
            Response::Answer(tag) => ipc::reply_and_wait(tag, TimeoutPair::SEND_ZERO),
            Response::None => ipc::wait(TimeoutPair::SEND_ZERO),
        };
        response = match arrival {
            Ok(arrival) => {
                let mut request = Request::new(arrival, &mut slots);
                let response = handle(&mut request);
                slots.clear(arrival.tag.items());
                response
            }
            // The caller is gone, or its items did not fit: it knows. What had arrived goes.
            Err(error) => {
                if error.is_receive() {
                    slots.clear(usize::MAX);
                }
                Response::None
            }
        };
    }
}

/// Checks protocol and opcode of a request to an object that speaks one interface.
#[inline(always)]
pub fn respond<I: Interface, O: Opcode>(
    request: &mut Request<'_>,
    method: impl FnOnce(&mut Request<'_>, u64, Reader) -> Response,
) -> Response {
    if request.protocol() != I::PROTOCOL {
        return meta::respond(request, &[(I::PROTOCOL, I::NAME)]);
    }
    let mut reader = request.reader();
    match O::read(&mut reader) {
        Ok(code) => method(request, code, reader),
        Err(code) => Response::error(code),
    }
}

/// Runs one method and composes its answer.
#[inline(always)]
pub fn method<R: Output>(
    request: &mut Request<'_>,
    method: impl FnOnce(&mut Request<'_>) -> Outcome<R::Given>,
) -> Response {
    let outcome = method(request).and_then(|given| {
        let mut writer = Writer::new();
        R::write(given, &mut writer)?;
        writer.finish_answer()
    });
    match outcome {
        _ if R::SEND_ONLY => Response::None,
        Ok(tag) => Response::Answer(tag),
        Err(code) => Response::error(code),
    }
}
