//! Typed messages between components, in the wire format of L4Re (`abi/08` §1).
//!
//! * [`interface!`] declares an interface once; client methods and the server's dispatch come from
//!   the one declaration.
//! * [`argument`] and [`output`] say how each type travels; [`Writer`] and [`Reader`] put it into
//!   the message registers and take it out.
//! * [`server`] is the receiving end: the loop, requests, answers.
//! * [`factory`] and [`meta`] are the two protocols that every kind of server may speak.
//!
//! A C++ program of L4Re and a program of this crate understand each other; the recorded messages
//! of its client library are test data here.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

pub mod argument;
pub mod client;
pub mod factory;
mod interface;
#[cfg(not(target_os = "none"))]
pub mod loopback;
pub mod meta;
pub mod output;
mod reader;
mod record;
mod scalar;
pub mod server;
mod writer;

pub use argument::{Argument, Bytes, Received, Window};
pub use interface::{Interface, NoOpcode, Opcode};
pub use l4_abi::error::ResultCode;
pub use l4_abi::rights::CapabilityRights;
pub use l4_sys::{Error, Result};
pub use output::{Label, NoAnswer, Output, Pages};
pub use reader::Reader;
pub use scalar::{Plain, Scalar};
pub use server::{Request, Response, serve};
pub use writer::Writer;

/// Result of handling a request: what a server answers with a negative label.
pub type Outcome<T> = core::result::Result<T, ResultCode>;

/// What the expansion of [`interface!`] refers to.
#[doc(hidden)]
pub mod private {
    pub use l4_sys;
}
