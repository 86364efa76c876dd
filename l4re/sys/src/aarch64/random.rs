//! The processor's random number generator.

/// A word of the processor's random number generator: none, since programs cannot read whether the processor has one.
pub fn word() -> Option<u64> {
    None
}
