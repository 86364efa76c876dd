//! `configs/guests.lock`: the packages that guests are known to be good with.

use crate::architecture::Architecture;
use crate::failure::{Context, Result, fail};
use crate::workspace::Workspace;

/// A package in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// Of the package's file, in hexadecimal digits.
    pub(super) sha256: String,
}

const FILE: &str = "configs/guests.lock";

fn parse(text: &str, arch: Architecture) -> Result<Vec<Package>> {
    let mut packages = vec![];
    for (number, line) in (1..).zip(text.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [comment, ..] if comment.starts_with('#') => {}
            [of, name, version, sha256] => {
                Architecture::from_name(of).context(|| format!("{FILE}:{number}:1"))?;
                if *of == arch.name() {
                    packages.push(Package {
                        name: (*name).into(),
                        version: (*version).into(),
                        sha256: (*sha256).into(),
                    });
                }
            }
            _ => fail!(
                "{FILE}:{number}:1: not an architecture, a package, its version and its SHA-256"
            ),
        }
    }
    if packages.is_empty() {
        fail!("{FILE}:1:1: no package for {arch}");
    }
    Ok(packages)
}

/// The packages of an architecture.
pub(super) fn read(workspace: &Workspace, arch: Architecture) -> Result<Vec<Package>> {
    let path = workspace.root().join(FILE);
    let text = std::fs::read_to_string(&path).context(|| format!("reading {FILE}"))?;
    parse(&text, arch)
}

/// The packages as text that differs if they do.
pub(super) fn text(packages: &[Package]) -> String {
    let line =
        |package: &Package| format!("{} {} {}\n", package.name, package.version, package.sha256);
    packages.iter().map(line).collect()
}

pub(super) fn names(packages: &[Package]) -> String {
    let names: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    names.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_those_of_the_architecture() {
        let text =
            "# a comment\n\nx86_64 linux 6.1 00ff\naarch64 linux 6.2 11\nx86_64 busybox 1 22\n";
        let packages = parse(text, Architecture::X86_64).unwrap();
        assert_eq!(names(&packages), "linux and busybox");
        assert_eq!(packages[0].sha256, "00ff");
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let said = |text| parse(text, Architecture::X86_64).unwrap_err().to_string();
        assert!(said("# nothing\n").contains("guests.lock:1:1: no package for x86_64"));
        assert!(said("\nx86_64 linux 6.1\n").contains("guests.lock:2:1: not an architecture"));
        assert!(said("x86 linux 6.1 00\n").contains("unknown architecture `x86`"));
    }
}
