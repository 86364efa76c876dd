//! Device models: what a guest's drivers find behind ports and registers. Those that only one architecture's
//! machine has are in `devices` of its folder.
//!
//! Each is plain state with reads and writes: no clock, no thread, no capability of its own. What it needs
//! comes as an argument, what it gives goes back as a result, and its interrupt is a level that the platform
//! looks at. So each is tested on the host by what drivers do to it. No value that a guest gives panics.

#[cfg(not(feature = "virtio"))]
pub mod absent;
pub mod typed;
#[cfg(feature = "virtio")]
pub mod virtio;
