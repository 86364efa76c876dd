//! The objects that clients hold capabilities to.

pub mod dataspace;
mod frame_table;
pub mod log;
pub mod namespace;
pub mod region_map;
pub mod scheduler;

/// Names an object: where it is in the table, and which one of those that were there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectId {
    index: u32,
    generation: u32,
}

impl ObjectId {
    #[cfg(test)]
    fn for_test(index: u32) -> Self {
        Self {
            index,
            generation: 0,
        }
    }
}
