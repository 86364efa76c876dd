//! Tools of the operating system: found by name, installed by apt where that exists.

use crate::failure::{Context, Result, fail};
use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;

/// UEFI firmware as Debian installs it.
pub const OVMF: &str = "/usr/share/ovmf/OVMF.fd";

/// Something that must be there.
#[derive(Clone, Copy)]
pub struct Tool {
    /// A program in `PATH`, or a file if it starts with `/`.
    name: &'static str,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
}

impl Tool {
    pub const fn program(name: &'static str, packages: &'static [&'static str]) -> Self {
        Self { name, packages }
    }

    pub const fn file(path: &'static str, packages: &'static [&'static str]) -> Self {
        Self {
            name: path,
            packages,
        }
    }

    fn is_there(&self) -> bool {
        if self.name.starts_with('/') {
            Path::new(self.name).exists()
        } else {
            in_path(self.name)
        }
    }
}

/// Whether a program can be started by its name.
pub fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Makes sure of these tools, or says what to install.
pub fn need(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|tool| tool.packages)
        .copied()
        .collect();
    if !in_path("apt-get") {
        fail!(
            "missing: {}\nInstall them with this system's package manager; on Debian the packages are {}",
            names.join(", "),
            packages.join(" ")
        );
    }
    println!(
        "Missing: {}. Installing {}",
        names.join(", "),
        packages.join(" ")
    );
    install(&packages)?;
    match missing.iter().find(|tool| !tool.is_there()) {
        Some(tool) => fail!(
            "apt installed {} but `{}` is not there",
            tool.packages.join(" "),
            tool.name
        ),
        None => Ok(()),
    }
}

fn install(packages: &[&str]) -> Result<()> {
    let by_hand = format!(
        "apt-get install --no-install-recommends {}",
        packages.join(" ")
    );
    let Some(prefix) = privilege() else {
        fail!("run this as root, then try again:\n    {by_hand}");
    };
    let apt = |arguments: &[&str]| -> Result<bool> {
        let mut words =
            prefix
                .iter()
                .copied()
                .chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        let mut command = Command::new(words.next().unwrap_or("env"));
        command.args(words).args(arguments);
        Ok(command.status().context(|| "running apt-get")?.success())
    };
    let arguments = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    // Where the package lists are old or missing, the first try fails.
    if apt(&arguments)? || (apt(&["update"])? && apt(&arguments)?) {
        return Ok(());
    }
    fail!("apt-get failed (its messages are above); the command was\n    {by_hand}")
}

/// What to put before a command that only root may run; none if that cannot be had.
fn privilege() -> Option<&'static [&'static str]> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.starts_with(b"0\n") {
        return Some(&[]);
    }
    // With a terminal sudo can ask for a password.
    let sudo: &[&str] = if std::io::stdin().is_terminal() {
        &["sudo"]
    } else {
        &["sudo", "-n"]
    };
    in_path("sudo").then_some(sudo)
}
