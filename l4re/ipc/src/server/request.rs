//! A request at the server.

use l4_abi::error::ResultCode;
use l4_abi::message_tag::MessageTag;
use l4_abi::rights::CapabilityRights;
use l4_sys::ipc::Arrival;
use l4_sys::{AnyObject, Object, OwnedCap};

use super::receive::ReceiveSlots;
use crate::{Outcome, Reader, Received};

/// Bits of a received label that are the caller's rights; the rest is the gate's own label.
const RIGHTS_MASK: u64 = CapabilityRights::INVOCATION.bits() as u64;

/// A message that arrived: through which gate, with which rights.
pub struct Request<'a> {
    arrival: Arrival,
    slots: &'a mut ReceiveSlots,
}

impl<'a> Request<'a> {
    pub(crate) fn new(arrival: Arrival, slots: &'a mut ReceiveSlots) -> Self {
        slots.release_sent();
        Self { arrival, slots }
    }

    /// Label of the gate (its two low bits clear), which tells the addressed object.
    pub fn label(&self) -> u64 {
        self.arrival.label & !RIGHTS_MASK
    }

    /// The label as it arrived. For an interrupt all its bits belong to the label.
    pub fn raw_label(&self) -> u64 {
        self.arrival.label
    }

    /// The rights, W and S, of the capability that the request came through.
    pub fn rights(&self) -> CapabilityRights {
        CapabilityRights::from_bits_truncate((self.arrival.label & RIGHTS_MASK) as u8)
    }

    /// Error EPERM unless the caller has `right`.
    pub fn require(&self, right: CapabilityRights) -> Outcome<()> {
        if self.rights().contains(right) {
            Ok(())
        } else {
            Err(ResultCode::EPERM)
        }
    }

    /// Which protocol the request belongs to.
    pub fn protocol(&self) -> i64 {
        self.arrival.tag.label()
    }

    /// The tag.
    pub fn tag(&self) -> MessageTag {
        self.arrival.tag
    }

    /// Reads the request from its beginning; possible until this thread sends or receives again.
    pub fn reader(&self) -> Reader {
        Reader::new(self.arrival.tag)
    }

    /// Keeps a received capability beyond this request.
    ///
    /// # Errors
    /// EINVAL if it is not one that arrived with this request, ENOMEM if no slot is free.
    pub fn keep<T: Object>(&mut self, received: Received<T>) -> Outcome<OwnedCap<T>> {
        let Received::Capability(capability) = received else {
            return Err(ResultCode::EINVAL);
        };
        self.slots
            .take(capability.selector())?
            .ok_or(ResultCode::EINVAL)
    }

    /// Drops `capability` only after the answer, which passes it on, has been sent. One per request.
    pub fn release_after_answer<T: Object>(&mut self, capability: OwnedCap<T>) {
        self.slots.keep_until_sent(capability.cast::<AnyObject>());
    }
}
