//! PCs.

pub(crate) mod console;
pub(crate) mod entry;
pub(crate) mod firmware;
pub(crate) mod hand_over;
