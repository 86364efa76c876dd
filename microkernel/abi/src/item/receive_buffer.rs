//! Receive buffers: where the receiver takes items (`abi/03` §4.3).

use crate::flags::flags;

use super::Overflow;
use crate::capability::Selector;
use crate::flexpage::{Flexpage, Space};
use crate::rights::CapabilityRights;
use crate::utcb::{BUFFER_REGISTERS, BufferDescriptor};

flags! {
    /// Low bits of a receive buffer's first word.
    pub struct BufferFlags: u64 {
        /// One more word names the task that receives.
        const FORWARD = 0x1;
        /// The word itself names one capability slot.
        const SINGLE = 0x2;
        /// Deliver a label or flexpage instead of a mapping when possible.
        const LOCAL_ID = 0x4;
        /// Must be set.
        const MAP = 0x8;
    }
}

/// Where an incoming item may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveTarget {
    /// One slot of the object space.
    Slot(u64),
    /// A range of one space, or of all.
    Window(Flexpage),
}

/// A decoded receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffer {
    /// Slot or window.
    pub target: ReceiveTarget,
    /// Deliver a label or flexpage when possible.
    pub local_id: bool,
    /// The task that receives, if not the receiver's own. Needs the W right.
    pub forward: Option<Selector>,
    /// Buffer registers that the buffer takes.
    pub words: usize,
}

impl ReceiveBuffer {
    /// First word of a buffer for one capability.
    pub const fn slot_word(index: u64, local_id: bool) -> u64 {
        let local = if local_id {
            BufferFlags::LOCAL_ID.bits()
        } else {
            0
        };
        index << Selector::SHIFT | local | BufferFlags::SINGLE.bits() | BufferFlags::MAP.bits()
    }

    /// First word of a buffer with a window; the flexpage is the second.
    pub const WINDOW_WORD: u64 = BufferFlags::MAP.bits();

    /// Decodes the buffer at register `index`; `read` gives a buffer register.
    ///
    /// The end of the list, by a zero word or the last register, and a word that is no map item
    /// are an overflow.
    pub fn decode(index: usize, read: impl Fn(usize) -> u64) -> Result<ReceiveBuffer, Overflow> {
        let word = |offset: usize| match index + offset {
            register if register < BUFFER_REGISTERS => Ok(read(register)),
            _ => Err(Overflow),
        };
        let first = word(0)?;
        let flags = BufferFlags::from_bits_truncate(first);
        if !flags.contains(BufferFlags::MAP) {
            return Err(Overflow);
        }
        let (target, mut words) = if flags.contains(BufferFlags::SINGLE) {
            (ReceiveTarget::Slot(first >> Selector::SHIFT), 1)
        } else {
            (ReceiveTarget::Window(Flexpage::from_raw(word(1)?)), 2)
        };
        let forward = if flags.contains(BufferFlags::FORWARD) {
            words += 1;
            Some(Selector::from_raw(word(words - 1)?))
        } else {
            None
        };
        Ok(ReceiveBuffer {
            target,
            local_id: flags.contains(BufferFlags::LOCAL_ID),
            forward,
            words,
        })
    }

    /// The slot of a buffer for one capability: what a kernel factory fills. The order of a
    /// window is ignored.
    pub const fn object_slot(self) -> Option<u64> {
        match self.window(Space::Object) {
            Some(window) if window.space().is_some() => Some(window.index()),
            _ => None,
        }
    }

    /// The window in `space`, or `None` if the buffer is for another: then nothing is mapped.
    pub const fn window(self, space: Space) -> Option<Flexpage> {
        match (self.target, space) {
            (ReceiveTarget::Slot(index), Space::Object) => {
                Some(Flexpage::object(index, CapabilityRights::empty()))
            }
            (ReceiveTarget::Window(flexpage), _) if flexpage.covers(space) => Some(flexpage),
            _ => None,
        }
    }
}

/// The receiver's position in its buffers: one per space over the same registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferCursors {
    memory: usize,
    io_port: usize,
    object: usize,
}

impl BufferCursors {
    /// Positions at the first buffers.
    pub const fn new(descriptor: BufferDescriptor) -> BufferCursors {
        BufferCursors {
            memory: descriptor.memory(),
            io_port: descriptor.io_port(),
            object: descriptor.object(),
        }
    }

    /// The buffer for an item of `space`. Moves on, unless the item is `compound`.
    pub fn take(
        &mut self,
        space: Space,
        compound: bool,
        read: impl Fn(usize) -> u64,
    ) -> Result<ReceiveBuffer, Overflow> {
        let position = match space {
            Space::Memory => &mut self.memory,
            Space::IoPort => &mut self.io_port,
            Space::Object => &mut self.object,
        };
        let buffer = ReceiveBuffer::decode(*position, read)?;
        if !compound {
            *position += buffer.words;
        }
        Ok(buffer)
    }
}
