//! The hardware, and the kernel's only unsafe code.
#![cfg_attr(target_os = "none", no_std)]

pub mod address;
pub mod event;
pub mod kip;
pub mod lock;
pub mod memory;
