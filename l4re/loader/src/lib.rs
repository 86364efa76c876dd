//! l4re/loader
#![cfg_attr(not(test), no_std)]
