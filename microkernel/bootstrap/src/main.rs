//! The program around the library: see `machine`, which is all of it.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod machine;

/// On the host only the library is of use, to test it.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("bootstrap starts kernels, not programs; `cargo xtask run` boots a system with it");
}
