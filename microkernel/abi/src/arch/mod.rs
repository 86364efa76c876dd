//! What differs between the architectures: registers, frames, vCPU state, page layout.
//!
//! Both folders have the same files and names. All is plain data, so on a host both compile; a
//! kernel and its programs have that of their machine only.

#[cfg(any(not(target_os = "none"), target_arch = "aarch64"))]
pub mod aarch64;
#[cfg(any(not(target_os = "none"), target_arch = "x86_64"))]
pub mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64 as native;
#[cfg(not(target_arch = "aarch64"))]
pub use x86_64 as native;
