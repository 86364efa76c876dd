//! l4re/ipc
#![cfg_attr(not(test), no_std)]
