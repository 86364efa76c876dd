//! l4re/rt
#![cfg_attr(not(test), no_std)]
