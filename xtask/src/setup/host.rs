//! The machine that xtask runs on: which system it is, who the user is, where programs are.
//!
//! All of it is looked up below one folder and in one list of folders, so that tests make machines up.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Systems whose packages we know by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Debian and what is made of it: the one where xtask installs by itself.
    Debian,
    Fedora,
    Arch,
    MacOs,
    Other,
}

/// The machine.
pub struct Host {
    /// Where absolute paths begin.
    root: PathBuf,
    /// The folders of programs.
    path: Vec<PathBuf>,
    pub system: System,
    /// Whether somebody can be asked for a password.
    pub terminal: bool,
}

impl Host {
    /// This machine.
    pub fn detect() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::split_paths(&path).collect();
        Self::new(PathBuf::from("/"), path, std::io::stdin().is_terminal())
    }

    pub fn new(root: PathBuf, path: Vec<PathBuf>, terminal: bool) -> Self {
        let system = system(&root);
        Self {
            root,
            path,
            system,
            terminal,
        }
    }

    /// Where a program of `PATH` is, or a file if the name is an absolute path.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let found = |path: &PathBuf| path.is_file();
        if name.starts_with('/') {
            return Some(self.absolute(name)).filter(found);
        }
        self.path.iter().map(|folder| folder.join(name)).find(found)
    }

    /// Where an absolute path is.
    pub fn absolute(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Runs a program of `PATH`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.find(program).unwrap_or(program.into()));
        command.env("PATH", self.path());
        command
    }

    fn path(&self) -> OsString {
        // Folders whose names cannot be in a PATH did not come from one.
        std::env::join_paths(&self.path).unwrap_or_default()
    }

    /// Whether the user may do everything.
    pub fn is_superuser(&self) -> bool {
        let id = self.command("id").arg("-u").output();
        id.is_ok_and(|id| id.stdout.starts_with(b"0\n"))
    }
}

/// Which system the files below `root` say it is.
fn system(root: &Path) -> System {
    if root
        .join("System/Library/CoreServices/SystemVersion.plist")
        .is_file()
    {
        return System::MacOs;
    }
    ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|file| std::fs::read_to_string(root.join(file)).ok())
        .map_or(System::Other, |text| from_os_release(&text))
}

/// Reads `ID` and, where that is not known, `ID_LIKE` (os-release(5)).
fn from_os_release(text: &str) -> System {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.strip_prefix('=')?.trim_matches(['"', '\'']))
    };
    let names = [value("ID"), value("ID_LIKE")];
    names
        .into_iter()
        .flatten()
        .flat_map(str::split_whitespace)
        .find_map(|name| match name {
            "debian" | "ubuntu" => Some(System::Debian),
            "fedora" => Some(System::Fedora),
            "arch" => Some(System::Arch),
            _ => None,
        })
        .unwrap_or(System::Other)
}

#[cfg(test)]
mod tests {
    use super::{System, from_os_release};

    #[test]
    fn systems_are_told_by_their_names() {
        let cases = [
            (
                "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n",
                System::Debian,
            ),
            ("ID=ubuntu\nID_LIKE=debian\n", System::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", System::Debian),
            ("ID=fedora\nVARIANT_ID=workstation\n", System::Fedora),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                System::Fedora,
            ),
            ("ID=arch\n", System::Arch),
            ("ID=manjaro\nID_LIKE=arch\n", System::Arch),
            ("ID=alpine\n", System::Other),
            ("VERSION_ID=debian\n", System::Other),
            ("", System::Other),
        ];
        for (text, system) in cases {
            assert_eq!(from_os_release(text), system, "{text}");
        }
    }
}
