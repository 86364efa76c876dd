//! The cargo workspace: where it lies and which programs it has.

use crate::architecture::Architecture;
use crate::cargo;
use crate::failure::{Context, Result, fail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Members that run before or beside components, and are built in their own way.
pub const BASE: [&str; 4] = ["kernel", "bootstrap", "sigma0", "moe"];

pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
    /// Packages with a binary of their own name, by name.
    binaries: Vec<String>,
    /// Those of them that run in moe's place, which their manifest says.
    root_tasks: Vec<String>,
    /// All packages, with their folders.
    packages: Vec<(PathBuf, String)>,
    /// The features of each package.
    features: BTreeMap<String, Vec<String>>,
}

/// A program's name is that of its package, and behind a `+` each that of a feature that it is built with.
pub fn package_and_features(program: &str) -> (&str, Vec<&str>) {
    let mut parts = program.split('+');
    (parts.next().unwrap_or_default(), parts.collect())
}

impl Workspace {
    /// Asks cargo. The workspace is that from which cargo runs xtask, or from which it was built.
    pub fn load() -> Result<Self> {
        let xtask = std::env::var_os("CARGO_MANIFEST_DIR");
        let xtask = xtask.unwrap_or(env!("CARGO_MANIFEST_DIR").into());
        let output = cargo::command(Path::new(&xtask))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--no-deps",
                "--offline",
            ])
            .output()
            .context(|| "running cargo metadata")?;
        if !output.status.success() {
            fail!(
                "cargo metadata: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let metadata: Value =
            serde_json::from_slice(&output.stdout).context(|| "reading cargo metadata")?;
        let path = |field: &str| metadata[field].as_str().map(PathBuf::from);
        let (Some(root), Some(target)) = (path("workspace_root"), path("target_directory")) else {
            fail!("cargo metadata names no workspace");
        };
        let packages = || metadata["packages"].as_array().into_iter().flatten();
        Ok(Self {
            root,
            target,
            binaries: packages().filter_map(binary).collect(),
            root_tasks: packages().filter_map(root_task).collect(),
            packages: packages().filter_map(folder).collect(),
            features: packages().filter_map(features).collect(),
        })
    }

    /// One for tests, that does not change with the project.
    #[cfg(test)]
    pub fn with_programs(names: &[&str]) -> Self {
        let binaries = names.iter().map(|&name| name.to_owned()).collect();
        Self {
            root: PathBuf::new(),
            target: PathBuf::new(),
            binaries,
            root_tasks: vec!["kernel-ipc".into()],
            packages: vec![],
            features: BTreeMap::from([("hello".into(), vec!["polite".into()])]),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where everything that boots ends up: kernel, programs and images of an architecture.
    pub fn output(&self, arch: Architecture) -> PathBuf {
        self.built_folder().join(arch.name())
    }

    /// Parent of the [`output`](Self::output) folders.
    pub fn built_folder(&self) -> PathBuf {
        self.target.join("brio")
    }

    /// What guests of virtual machines boot from.
    pub fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// cargo's own folder for a group of programs that are built with the same flags.
    pub fn build_folder(&self, group: &str) -> PathBuf {
        self.target.join("build").join(group)
    }

    /// Whether a component can run the program's package.
    pub fn has_program(&self, program: &str) -> bool {
        self.programs().contains(&package_and_features(program).0)
    }

    /// The features that a program can be built with.
    pub fn features(&self, program: &str) -> Vec<&str> {
        let features = self.features.get(package_and_features(program).0);
        features.into_iter().flatten().map(String::as_str).collect()
    }

    /// The packages that a component can run.
    pub fn programs(&self) -> Vec<&str> {
        let programs = self.binaries.iter().map(String::as_str);
        programs
            .filter(|name| !BASE.contains(name) && !["ned", "xtask"].contains(name))
            .collect()
    }

    /// Whether the program is linked like moe, to be placed by bootstrap.
    pub fn is_root_task(&self, program: &str) -> bool {
        let (package, _) = package_and_features(program);
        self.root_tasks.iter().any(|root_task| root_task == package)
    }

    /// The package that a file belongs to, with its folder.
    pub fn package_of(&self, file: &Path) -> Option<(&Path, &str)> {
        let around = (self.packages.iter()).filter(|(folder, _)| file.starts_with(folder));
        let nearest = around.max_by_key(|(folder, _)| folder.components().count())?;
        Some((&nearest.0, &nearest.1))
    }

    pub fn has_binary(&self, name: &str) -> bool {
        self.binaries.iter().any(|binary| binary == name)
    }

    /// The configuration file that `system` means: the stem of one in `configs/`, or a path.
    pub fn system_path(&self, system: &str) -> PathBuf {
        if system.contains(['/', '\\']) || system.ends_with(".toml") {
            return system.into();
        }
        relative(&self.root.join("configs").join(format!("{system}.toml")))
    }

    /// All configuration files in a folder of the workspace, sorted by name.
    pub fn systems(&self, folder: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.root.join(folder))
            .into_iter()
            .flatten()
            .flatten();
        let files = entries.map(|entry| relative(&entry.path()));
        let is_system = |path: &PathBuf| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
                && path.file_name().is_some_and(|name| name != "Cargo.toml")
        };
        let mut files: Vec<PathBuf> = files.filter(is_system).collect();
        files.sort();
        files
    }
}

/// `path` as seen from the current directory, if it lies below that: shorter to read.
pub fn relative(path: &Path) -> PathBuf {
    let current = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&current).unwrap_or(path).into()
}

fn binary(package: &Value) -> Option<String> {
    let name = package["name"].as_str()?;
    let mut targets = package["targets"].as_array()?.iter();
    let binary = targets.any(|target| {
        target["name"] == name
            && target["kind"]
                .as_array()
                .is_some_and(|kind| kind.contains(&"bin".into()))
    });
    binary.then(|| name.to_owned())
}

fn folder(package: &Value) -> Option<(PathBuf, String)> {
    let manifest = Path::new(package["manifest_path"].as_str()?);
    Some((manifest.parent()?.into(), package["name"].as_str()?.into()))
}

/// What tests on the host need of a package, and no program can have.
const FIXTURE: &str = "fixture";

fn features(package: &Value) -> Option<(String, Vec<String>)> {
    let features = package["features"].as_object()?.keys();
    let features = features.filter(|name| *name != FIXTURE).cloned();
    Some((package["name"].as_str()?.into(), features.collect()))
}

/// `[package.metadata.brio] root-task = true` in the manifest.
fn root_task(package: &Value) -> Option<String> {
    (package["metadata"]["brio"]["root-task"] == true)
        .then(|| package["name"].as_str())?
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::package_and_features;

    #[test]
    fn features_stand_behind_the_package() {
        assert_eq!(package_and_features("hello"), ("hello", vec![]));
        let both = ("karma-vmm", vec!["smp", "virtio"]);
        assert_eq!(package_and_features("karma-vmm+smp+virtio"), both);
    }
}
