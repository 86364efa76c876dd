//! sigma0: the owner of all physical memory and I/O.
//!
//! Source: `abi/07` §3.

opcodes! {
    /// Requests: bits 7..4 of word 0, whose other bits are [`MAGIC`].
    pub enum Request {
        /// RAM at an address: flexpage. The client owns it afterwards.
        Ram = 0x60,
        /// Device memory: flexpage.
        IoMemory = 0x70,
        /// Device memory, cached: flexpage.
        IoMemoryCached = 0x80,
        /// Any free RAM of the flexpage's order.
        AnyRam = 0x90,
        /// The kernel info page.
        Kip = 0xa0,
        /// Print the state.
        DebugDump = 0xc0,
        /// Coverage data.
        Coverage = 0xe0,
    }
}

/// Bits of word 0 that every request has.
pub const MAGIC: u64 = !0xff;
const REQUEST_MASK: u64 = 0xf0;

impl Request {
    /// Word 0 of the request.
    pub const fn request_word(self) -> u64 {
        MAGIC | self.word()
    }

    /// The request of word 0; `None` if the magic or the number is wrong.
    pub const fn from_request_word(word: u64) -> Option<Request> {
        if word & MAGIC == MAGIC {
            Request::from_word(word & REQUEST_MASK)
        } else {
            None
        }
    }
}

/// Bits of a client's gate label below its number.
pub const CLIENT_SHIFT: u32 = 4;
/// Smallest order of a memory request.
pub const MIN_ORDER: u32 = 12;
