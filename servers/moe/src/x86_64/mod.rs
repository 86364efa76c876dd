//! What moe needs of x86_64: nothing, instruction fetches and uncached accesses see all writes.

/// Makes what was written to memory visible to instruction fetches.
pub(crate) fn make_executable(_address: u64, _bytes: u64) {}

/// Makes what was written to memory visible to uncached accesses.
pub(crate) fn write_back(_address: u64, _bytes: u64) {}
