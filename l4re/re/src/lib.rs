//! l4re/re
#![cfg_attr(not(test), no_std)]
