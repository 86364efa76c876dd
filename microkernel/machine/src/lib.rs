//! The hardware, and the kernel's only unsafe code.
#![cfg_attr(not(test), no_std)]
