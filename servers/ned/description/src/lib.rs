//! The compiled system description.
#![cfg_attr(not(test), no_std)]
