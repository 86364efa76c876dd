//! One terminal for everybody: each component has its console, one of them gets what is typed.
//!
//! `screen` consoles, their history, and what keys do: pure logic · `service` the clients.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod screen;
pub mod service;

pub use service::main;
