//! Links bootstrap by its own script: it is loaded by firmware, at addresses that the boot
//! protocols ask for.

fn main() {
    let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let architecture = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let script = format!("{directory}/src/machine/{architecture}/linker.ld");
    println!("cargo::rerun-if-changed={script}");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    println!("cargo::rustc-link-arg-bins=-T{script}");
    // x86_64 runs where it is linked; aarch64 wherever firmware puts it, with all relocations
    // applied by itself.
    let arguments: &[&str] = match architecture.as_str() {
        "aarch64" => &["-pie", "-znotext", "--no-dynamic-linker"],
        _ => &["--no-pie"],
    };
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
