//! Links the kernel image as its machine's linker script says.

use std::env::var;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") != "none" {
        return;
    }
    let script = format!(
        "{}/../machine/src/{}/kernel.ld",
        variable("CARGO_MANIFEST_DIR"),
        variable("CARGO_CFG_TARGET_ARCH"),
    );
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rustc-link-arg-bins=-T{script}");
    if variable("CARGO_CFG_TARGET_ARCH") == "x86_64" {
        // The target's default is position independent.
        println!("cargo:rustc-link-arg-bins=--no-pie");
    }
}
