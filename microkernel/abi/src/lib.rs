//! Every number and layout that crosses the user/kernel line, once.
#![cfg_attr(not(test), no_std)]
