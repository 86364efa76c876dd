//! `cargo xtask new`: a program and a system to run it in, ready to boot and tested from the first day.
//!
//! They are copies of the example `hello` under another name, so what is made is what every test run boots.

use super::Verb;
use crate::arguments::Arguments;
use crate::boot_image::write_file;
use crate::failure::{Result, fail};
use crate::workspace::{Workspace, relative};

pub(super) const VERB: Verb = Verb {
    name: "new",
    words: "APP",
    about: "makes a program in configs/programs/ and a system that runs it",
    options: &[],
    run,
};

/// The example that is copied; in its files this word is its name wherever it stands.
const EXAMPLE: &str = "hello";

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
    let args = Arguments::parse(args, VERB.options)?;
    let workspace = Workspace::load()?;
    let name = args.word("name for the APP")?;
    check_name(name)?;
    if workspace.has_binary(name) {
        fail!("the workspace already has a program `{name}`");
    }
    let files = files(name).map(|(path, content)| (workspace.root().join(path), content));
    for (path, _) in &files {
        if path.exists() {
            fail!("{} is already there", relative(path).display());
        }
    }
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

/// The files of the program and system `name`, by their paths in the workspace: the example's, with another name.
fn files(name: &str) -> [(String, String); 3] {
    [
        (
            "configs/programs/hello/Cargo.toml",
            include_str!("../../../configs/programs/hello/Cargo.toml"),
        ),
        (
            "configs/programs/hello/src/main.rs",
            include_str!("../../../configs/programs/hello/src/main.rs"),
        ),
        (
            "configs/hello.toml",
            include_str!("../../../configs/hello.toml"),
        ),
    ]
    .map(|(path, content)| (path.replace(EXAMPLE, name), content.replace(EXAMPLE, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
