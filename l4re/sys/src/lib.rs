//! l4re/sys
#![cfg_attr(not(test), no_std)]
