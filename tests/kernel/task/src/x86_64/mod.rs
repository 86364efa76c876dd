//! What differs on x86_64.

/// Whether the kernel tells which mappings were read and written.
pub(crate) const HAS_ACCESS_FLAGS: bool = true;
