//! The slots in which capabilities arrive at a server.

use l4_abi::item::ReceiveBuffer;
use l4_abi::utcb::BufferDescriptor;
use l4_sys::object::Task;
use l4_sys::{AnyObject, Object, OwnedCap, Result, Selector, Slot, Utcb};

/// Capabilities that one request can bring.
const COUNT: usize = 2;

/// The receive slots of one server loop. Empty whenever the loop waits: a capability that arrives
/// in a filled slot would replace, and could destroy, what is there (`abi/03` §4.7).
pub(crate) struct ReceiveSlots {
    slots: [Slot; COUNT],
    /// Given to a caller with the answer; dropped once it has been sent.
    sent: Option<OwnedCap<AnyObject>>,
}

impl ReceiveSlots {
    pub(crate) fn allocate() -> Result<Self> {
        Ok(Self {
            slots: [Slot::allocate()?, Slot::allocate()?],
            sent: None,
        })
    }

    /// Names the slots in the buffer registers. Own gates arrive as their labels.
    pub(crate) fn arm(&self) {
        let utcb = Utcb::current();
        utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
        for (register, slot) in self.slots.iter().enumerate() {
            let word = ReceiveBuffer::slot_word(slot.selector().index(), true);
            utcb.set_buffer(register, word);
        }
        utcb.set_buffer(COUNT, 0);
    }

    /// Empties the slots after a message with `items` items; the message registers stay.
    pub(crate) fn clear(&mut self, items: usize) {
        if items > 0 {
            for slot in &self.slots {
                // A failure means that the slot is empty.
                let _ = Task::SELF.release(slot.selector());
            }
        }
    }

    /// Takes the capability out of the slot `selector`, which gets a fresh slot as its successor.
    pub(crate) fn take<T: Object>(&mut self, selector: Selector) -> Result<Option<OwnedCap<T>>> {
        match self
            .slots
            .iter_mut()
            .find(|slot| slot.selector() == selector)
        {
            Some(slot) => Ok(Some(core::mem::replace(slot, Slot::allocate()?).filled())),
            None => Ok(None),
        }
    }

    /// Keeps `capability` until the next message has arrived; gives back the one before it.
    pub(crate) fn keep_until_sent(&mut self, capability: OwnedCap<AnyObject>) {
        self.sent = Some(capability);
    }

    /// Drops what has been sent.
    pub(crate) fn release_sent(&mut self) {
        self.sent = None;
    }
}
