//! The capability microkernel.
#![cfg_attr(not(test), no_std)]
