//! Makes sure of tools: installs what is missing on Debian, says what to install elsewhere.

use super::host::{Host, System};
use super::one_at_a_time;
use super::tools::Tool;
use crate::failure::{Context, Result, fail};

/// How long apt-get waits for others that install, in seconds.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=300";

/// Makes sure of these tools, or says what to do.
pub fn need(host: &Host, tools: &[Tool]) -> Result<()> {
    let _alone = one_at_a_time();
    let is_there = |tool: &&Tool| host.has(tool.name(host.system));
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !is_there(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = (missing.iter().map(|tool| tool.name(host.system))).collect();
    let names = names.join(", ");
    let packages = packages(host.system, &missing);
    if host.system != System::Debian || !host.has("apt-get") {
        fail!(
            "missing: {names}\n{}",
            instructions(host, &packages, &missing)
        );
    }
    println!("Missing: {names}");
    install(host, &packages)?;
    match missing.iter().find(|tool| !is_there(tool)) {
        Some(tool) => fail!(
            "apt-get installed {}, but `{}` is not there",
            packages.join(" "),
            tool.name(host.system)
        ),
        None => Ok(()),
    }
}

/// What brings these tools, each package once.
fn packages(system: System, tools: &[&Tool]) -> Vec<&'static str> {
    let mut packages = vec![];
    for source in tools.iter().filter_map(|tool| tool.source(system)) {
        if !packages.contains(&source.package) {
            packages.push(source.package);
        }
    }
    packages
}

/// What a person has to do where xtask does not install by itself.
fn instructions(host: &Host, packages: &[&str], missing: &[&Tool]) -> String {
    let (name, installer) = match host.system {
        System::Fedora => ("Fedora", "sudo dnf install"),
        System::Arch => ("Arch Linux", "sudo pacman -S --needed"),
        System::MacOs => ("macOS", "brew install"),
        System::Debian | System::Other => {
            return format!(
                "Install them with this system's package manager; Debian's packages are\n    {}",
                packages.join(" ")
            );
        }
    };
    let mut text = String::new();
    if !packages.is_empty() {
        text = format!(
            "On {name}, install what is missing with\n    {installer} {}",
            packages.join(" ")
        );
    }
    let none: Vec<&str> = (missing
        .iter()
        .filter(|tool| tool.source(host.system).is_none()))
    .map(|tool| tool.name(host.system))
    .collect();
    if !none.is_empty() {
        let separator = if text.is_empty() { "" } else { "\n" };
        text += &format!(
            "{separator}There is no package on {name} for {}: do this on a Linux machine",
            none.join(", ")
        );
    }
    text
}

fn install(host: &Host, packages: &[&str]) -> Result<()> {
    let by_hand = format!(
        "apt-get install --no-install-recommends {}",
        packages.join(" ")
    );
    let Some(prefix) = privilege(host) else {
        fail!("run this as root, then try again:\n    {by_hand}");
    };
    println!("Installing {}", packages.join(" "));
    let apt = |arguments: &[&str]| -> Result<bool> {
        let words = [
            prefix,
            &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"],
        ]
        .concat();
        let mut command = host.command(words[0]);
        command.args(&words[1..]).args(arguments);
        Ok(command.status().context(|| "running apt-get")?.success())
    };
    let options = ["--yes", "--no-install-recommends", "-o", LOCK_TIMEOUT];
    let arguments = [&["install"], &options[..], packages].concat();
    // Where the package lists are old or missing, the first try fails.
    if apt(&arguments)? || (apt(&["update"])? && apt(&arguments)?) {
        return Ok(());
    }
    fail!("apt-get failed (its messages are above); the command was\n    {by_hand}")
}

/// What to put before a command that only root may run; none if that cannot be had.
fn privilege(host: &Host) -> Option<&'static [&'static str]> {
    if host.is_superuser() {
        return Some(&[]);
    }
    if !host.has("sudo") {
        return None;
    }
    if host.terminal {
        // It can ask for a password.
        return Some(&["sudo"]);
    }
    let silent = host.command("sudo").args(["-n", "true"]).output();
    silent
        .is_ok_and(|output| output.status.success())
        .then_some(&["sudo", "-n"])
}
