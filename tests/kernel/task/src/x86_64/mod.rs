//! What differs on x86_64.

mod descriptors;
mod ports;

/// Whether the kernel tells which mappings were read and written.
pub(crate) const HAS_ACCESS_FLAGS: bool = true;

pub(crate) fn segments_and_ports() {
    descriptors::segment_descriptors();
    ports::tasks_do_not_use_those_of_others();
}
