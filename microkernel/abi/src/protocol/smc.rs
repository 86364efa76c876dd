//! SMC proxy (ARM): eight words are x0 to x7, four come back.
//!
//! Source: `abi/05` (ARM SMC).

/// Words of a request.
pub const REQUEST_WORDS: usize = 8;
/// Words of an answer.
pub const REPLY_WORDS: usize = 4;
/// Bit of x0 that must be set: a fast call.
pub const FAST_CALL: u64 = 1 << 31;
