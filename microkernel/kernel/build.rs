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
    // Each is the opposite of its target's default. On aarch64 read-only data
    // is relocated before it is protected.
    let arguments: &[&str] = match variable("CARGO_CFG_TARGET_ARCH").as_str() {
        "x86_64" => &["--no-pie"],
        "aarch64" => &["-pie", "-znotext", "-zmax-page-size=4096"],
        other => panic!("there is no machine for {other}"),
    };
    for argument in arguments {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
