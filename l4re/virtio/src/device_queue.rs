//! The device's end of a queue.

use core::sync::atomic::{Ordering, fence};

use crate::chain::Chain;
use crate::ring::{Layout, NO_NOTIFICATION, QueueError};
use l4_memory::{Access, Memory};

/// Takes requests out of a queue and completes them, in any order.
#[derive(Debug)]
pub struct DeviceQueue {
    layout: Layout,
    /// Chains taken so far, and completed so far; they wrap around.
    taken: u16,
    completed: u16,
}

impl DeviceQueue {
    /// The queue at `layout`, from which nothing has been taken yet.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            taken: 0,
            completed: 0,
        }
    }

    /// Where it lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Takes the next request, if there is one.
    ///
    /// # Errors
    /// Whatever the driver did wrong. It would be found again the next time: the device is to be
    /// stopped ("needs reset").
    pub fn take(&mut self, memory: &impl Memory) -> Result<Option<Chain>, QueueError> {
        let index = memory.load(self.layout.available_index())?;
        let waiting = index.wrapping_sub(self.taken);
        if waiting == 0 {
            return Ok(None);
        }
        let under_way = self.taken.wrapping_sub(self.completed);
        // No driver has more chains than descriptors.
        if u32::from(waiting) + u32::from(under_way) > u32::from(self.layout.size()) {
            return Err(QueueError::Index);
        }
        let head = memory.load(self.layout.available_entry(self.taken))?;
        let chain = Chain::read_from(&self.layout, memory, head)?;
        self.taken = self.taken.wrapping_add(1);
        Ok(Some(chain))
    }

    /// Gives a request back, with so many bytes written from the beginning of its writable part on.
    pub fn complete(&mut self, memory: &impl Memory, chain: Chain, written: u32) -> Access {
        let layout = &self.layout;
        layout.write_used(memory, self.completed, chain.head(), written)?;
        self.completed = self.completed.wrapping_add(1);
        memory.store(layout.used_index(), self.completed)
    }

    /// Whether the driver wants to be told of requests that were completed.
    pub fn wants_notification(&self, memory: &impl Memory) -> Access<bool> {
        // The driver may have looked for completions before it asked to be told of them.
        fence(Ordering::SeqCst);
        let flags = memory.load(self.layout.available_flags())?;
        Ok(flags & NO_NOTIFICATION == 0)
    }

    /// Says whether the driver is to tell of new requests. After asking for it, look for some again.
    pub fn set_notifications(&self, memory: &impl Memory, wanted: bool) -> Access {
        let flags = if wanted { 0 } else { NO_NOTIFICATION };
        memory.store(self.layout.used_flags(), flags)?;
        fence(Ordering::SeqCst);
        Ok(())
    }
}
