//! What differs on aarch64.

/// Whether the kernel tells which mappings were read and written.
pub(crate) const HAS_ACCESS_FLAGS: bool = false;
