//! `cargo xtask new`: a program and a system to run it in, ready to boot and tested from the first day.

use super::Verb;
use crate::arguments::Arguments;
use crate::boot_image::write_file;
use crate::failure::{Result, fail};
use crate::workspace::{Workspace, relative};

pub(super) const VERB: Verb = Verb {
    name: "new",
    usage: "APP",
    about: "makes a program in configs/programs/APP and a system configs/APP.toml that runs it",
    run,
};

/// Names that are those of libraries or of parts of the base system.
const TAKEN: [&str; 9] = [
    "alloc",
    "core",
    "std",
    "test",
    "bootstrap",
    "kernel",
    "sigma0",
    "moe",
    "ned",
];

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, &[], &[])?;
    let workspace = Workspace::load()?;
    let name = args.word("name for the APP")?;
    check_name(name)?;
    let program = workspace.root().join("configs/programs").join(name);
    let config = workspace
        .root()
        .join("configs")
        .join(format!("{name}.toml"));
    for path in [&program, &config] {
        if path.exists() {
            fail!("{} is already there", relative(path).display());
        }
    }
    if workspace.has_binary(name) {
        fail!("the workspace already has a program `{name}`");
    }
    let files = [
        (program.join("Cargo.toml"), manifest(name)),
        (program.join("src/main.rs"), main_file(name)),
        (config, system(name)),
    ];
    for (path, content) in files {
        write_file(&path, content.as_bytes())?;
        println!("made {}", relative(&path).display());
    }
    println!("Boot it with `cargo xtask run {name}`, test it with `cargo xtask test {name}`.");
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let tail = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= system_description::NAME_MAX
        && !name.ends_with('-')
        && name.chars().all(tail);
    if !good {
        fail!(
            "`{name}` cannot be a program's name: it has lower-case letters, digits and `-`, a letter first"
        );
    }
    if TAKEN.contains(&name) {
        fail!("`{name}` is the name of another thing; choose one of your own");
    }
    Ok(())
}

fn manifest(name: &str) -> String {
    format!(
        r#"[package]
name = "{name}"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[lints]
workspace = true

[dependencies]
l4-rt.workspace = true
"#
    )
}

fn main_file(name: &str) -> String {
    format!(
        r#"//! Says hello.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use l4_rt::println;

l4_rt::entry!(main);

fn main() {{
    println!("Hello from {name}!");
}}
"#
    )
}

fn system(name: &str) -> String {
    format!(
        r#"# The system `{name}`: see docs/configuration.md for all that can stand here.

[system]
ends_when = "{name}"

[component.{name}]
program = "{name}"
memory = "1M"

[test]
expect = ["Hello from {name}!"]
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{System, check};

    #[test]
    fn names_are_those_that_cargo_and_ned_accept() {
        assert!(check_name("my-app2").is_ok());
        for name in [
            "", "2go", "My", "a_b", "a/b", "..", "kernel", "test", "a-", "ä",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name(&"n".repeat(33)).is_err());
    }

    #[test]
    fn the_new_system_is_good() {
        let path = std::env::temp_dir().join(format!("brio-new-{}.toml", std::process::id()));
        std::fs::write(&path, system("my-app")).unwrap();
        let system = System::read(&path).map_err(|problems| problems.to_string());
        std::fs::remove_file(&path).unwrap();
        let workspace = Workspace::with_programs(&["my-app"]);
        assert!(check::check(&system.unwrap(), &workspace).is_ok());
    }
}
