//! Machines that a device tree describes.

pub mod device_tree;
