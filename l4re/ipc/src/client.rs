//! The calling end of an interface; used by what [`interface!`](crate::interface!) expands to.

use l4_abi::capability::Selector;
use l4_abi::message_tag::MessageTag;
use l4_abi::timeout::TimeoutPair;
use l4_sys::{Result, ipc};

use crate::{Output, Reader, Writer};

/// Ends the request in `writer`, sends it, and takes the result out of the answer.
#[inline(always)]
pub fn exchange<R: Output>(
    selector: Selector,
    protocol: i64,
    mut writer: Writer,
) -> Result<R::Taken> {
    let prepared = R::prepare(&mut writer)?;
    let tag = writer.finish_request(protocol)?;
    let answer = if R::SEND_ONLY {
        ipc::send(selector, tag, TimeoutPair::NEVER)?;
        MessageTag::EMPTY
    } else {
        ipc::check(ipc::call(selector, tag, TimeoutPair::NEVER)?)?
    };
    Ok(R::read(prepared, &mut Reader::new(answer))?)
}
