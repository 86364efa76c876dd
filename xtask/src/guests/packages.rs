//! Gets Debian packages of any architecture, without root's rights: apt with lists and caches of its own, and
//! the machine's own sources and keys. So every package is one that Debian has signed.

use super::lock::Package;
use crate::architecture::Architecture;
use crate::failure::{Context, Result, fail};
use crate::setup;
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Unpacks them into `folder`.
pub(super) fn unpack(
    workspace: &Workspace,
    arch: Architecture,
    wanted: &[Package],
    folder: &Path,
) -> Result<()> {
    setup::debian_packages()?;
    let apt = Apt::new(workspace, arch)?;
    for package in wanted {
        let file = apt.get(package)?;
        let mut command = Command::new("dpkg-deb");
        command.arg("--extract").arg(&file).arg(folder);
        said(command)?;
    }
    Ok(())
}

/// The entry of a folder whose name begins with `prefix`.
pub(super) fn find(folder: &Path, prefix: &str) -> Result<Option<PathBuf>> {
    let entries = std::fs::read_dir(folder).context(|| format!("reading {}", folder.display()))?;
    let mut names = entries.flatten().map(|entry| entry.path());
    Ok(names.find(|path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with(prefix)
    }))
}

/// apt for one architecture.
struct Apt {
    folder: PathBuf,
    /// What Debian calls the architecture.
    arch: &'static str,
    /// Of apt, beside those that keep it in its folder: tests have sources of their own.
    options: Vec<String>,
}

impl Apt {
    fn new(workspace: &Workspace, arch: Architecture) -> Result<Self> {
        let arch = match arch {
            Architecture::X86_64 => "amd64",
            Architecture::Aarch64 => "arm64",
        };
        let folder = workspace.guests().join("apt").join(arch);
        Self::in_folder(folder, arch, vec![])
    }

    fn in_folder(folder: PathBuf, arch: &'static str, options: Vec<String>) -> Result<Self> {
        for part in ["lists/partial", "archives/partial", "packages"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).context(|| format!("creating {}", part.display()))?;
        }
        // Nothing is installed there.
        let status = folder.join("status");
        std::fs::write(&status, "").context(|| format!("writing {}", status.display()))?;
        let apt = Self {
            folder,
            arch,
            options,
        };
        let lists =
            std::fs::read_dir(apt.folder.join("lists")).context(|| "reading apt's lists")?;
        if lists.count() < 2 {
            apt.update()?;
        }
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (option, value) in [
            ("Dir::State", ""),
            ("Dir::State::Lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", ""),
        ] {
            let path = self.folder.join(value);
            command
                .arg("-o")
                .arg(format!("{option}={}", path.display()));
        }
        for option in ["Architecture", "Architectures"] {
            command
                .arg("-o")
                .arg(format!("APT::{option}={}", self.arch));
        }
        for option in &self.options {
            command.args(["-o", option]);
        }
        // The user that apt changes to may not write here.
        command.args(["-o", "APT::Sandbox::User="]).arg("-qq");
        command.current_dir(self.folder.join("packages"));
        command
    }

    fn update(&self) -> Result<()> {
        println!("Getting Debian's package lists for {}", self.arch);
        let mut command = self.command("apt-get");
        command.arg("update");
        said(command).map(drop)
    }

    /// The package's file: in the version that is wanted, or else in the one that Debian offers now.
    fn get(&self, wanted: &Package) -> Result<PathBuf> {
        let exact = self.download(&wanted.name, &wanted.version);
        let exact = exact.or_else(|_| {
            self.update()?;
            self.download(&wanted.name, &wanted.version)
        });
        if let Ok(file) = exact {
            let sum = sha256(&file)?;
            if sum != wanted.sha256 {
                fail!(
                    "{} {} has the SHA-256 {sum}, not that of configs/guests.lock: somebody changed one of them",
                    wanted.name,
                    wanted.version
                );
            }
            return Ok(file);
        }
        let (name, version) = self.candidate(&wanted.name)?;
        println!(
            "{} {} of configs/guests.lock is gone; taking {name} {version}, which Debian has signed",
            wanted.name, wanted.version
        );
        self.download(&name, &version)
    }

    fn download(&self, name: &str, version: &str) -> Result<PathBuf> {
        let folder = self.folder.join("packages");
        // As apt names files: colons of versions are escaped.
        let prefix = format!("{name}_{}_", version.replace(':', "%3a"));
        if let Some(file) = find(&folder, &prefix)? {
            return Ok(file);
        }
        let mut command = self.command("apt-get");
        command.arg("download").arg(format!("{name}={version}"));
        said(command)?;
        match find(&folder, &prefix)? {
            Some(file) => Ok(file),
            None => fail!("apt-get did not download {name} {version}"),
        }
    }

    /// What Debian offers in place of a package: the kernel has its version in its name, and a package without
    /// one that depends on it.
    fn candidate(&self, name: &str) -> Result<(String, String)> {
        let name = match name.starts_with("linux-image-") {
            true => {
                let newest = format!("linux-image-cloud-{}", self.arch);
                let depends = self.field(&newest, "Depends")?;
                let first = depends.split([' ', ',']).next();
                first.unwrap_or_default().to_owned()
            }
            false => name.to_owned(),
        };
        let version = self.field(&name, "Version")?;
        Ok((name, version))
    }

    fn field(&self, package: &str, field: &str) -> Result<String> {
        let mut command = self.command("apt-cache");
        command.args(["show", "--no-all-versions", package]);
        let shown = said(command).context(|| format!("looking for {package} in Debian's lists"))?;
        let value = shown
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
        match value {
            Some(value) => Ok(value.to_owned()),
            None => fail!("Debian's lists say nothing about {package}"),
        }
    }
}

fn sha256(file: &Path) -> Result<String> {
    let mut command = Command::new("sha256sum");
    command.arg(file);
    let shown = said(command)?;
    Ok(shown
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// A program, which may be one of the administrator's.
pub(super) fn command(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// Runs a program that must succeed; its standard output.
pub(super) fn said(mut command: Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .context(|| format!("running {program}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        fail!("{program}: {}", why.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests;
