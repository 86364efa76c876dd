//! Facts recorded from the reference system, as data for tests.
//!
//! [`wire`] holds the requests of the stock clients, [`boot`] what they do while they boot,
//! [`session`] what the root task answers them, [`kip`] two kernel info pages. The crate depends
//! on nothing, so that every crate with an encoder or a decoder can test against it. Malformed data
//! is a mistake in this repository: the parsers panic with the offending line.

pub mod boot;
pub mod kip;
pub mod session;
pub mod wire;
