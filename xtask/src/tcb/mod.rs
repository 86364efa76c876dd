//! What components have to trust, counted in lines of code.
//!
//! Every component stands on kernel, bootstrap, sigma0, moe (which is its pager) and ned. On top of these
//! it trusts itself, the servers of the channels that it calls, and whom those trust. Who only shares
//! memory with it, or is served by it, is not trusted. `published` has figures of others, `chart` draws.
//!
//! Not counted for anybody: `core` and `alloc`, the compiler, firmware, microcode.

pub mod chart;
pub mod published;

use crate::architecture::Architecture;
use crate::build::{Builder, Kernel};
use crate::code_lines::{self, Lines};
use crate::failure::{Context, Result};
use crate::sources::SourceFile;
use crate::system::{Component, FileContent, Program, System};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What a line of code is trusted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Kernel,
    Bootstrap,
    Sigma0,
    Moe,
    Ned,
    Servers,
    Program,
    /// The device models of a VMM, which its guest talks to.
    Devices,
    /// What several of the programs have in common.
    Libraries,
}

impl Part {
    pub const ALL: [Self; 9] = [
        Self::Kernel,
        Self::Bootstrap,
        Self::Sigma0,
        Self::Moe,
        Self::Ned,
        Self::Servers,
        Self::Program,
        Self::Devices,
        Self::Libraries,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Bootstrap => "bootstrap",
            Self::Sigma0 => "sigma0",
            Self::Moe => "moe",
            Self::Ned => "ned",
            Self::Servers => "servers",
            Self::Program => "program",
            Self::Devices => "devices",
            Self::Libraries => "libraries",
        }
    }
}

/// The VMM, and its folders that hold device models: one for all architectures, one for each.
const VMM: &str = "karma-vmm/src/";
const DEVICES: &str = "/devices/";

/// A file that a component trusts.
#[derive(Clone, Debug)]
pub struct Trusted {
    pub file: SourceFile,
    pub part: Part,
    pub lines: Lines,
}

/// All that one component trusts.
#[derive(Debug)]
pub struct Base {
    pub system: String,
    pub component: String,
    pub arch: Architecture,
    /// Each file once.
    pub files: Vec<Trusted>,
    /// Programs that are trusted too, but were made elsewhere.
    pub foreign: Vec<String>,
}

impl Base {
    /// Lines in own files, or in those of crates from elsewhere.
    pub fn lines(&self, is_own: bool, part: Option<Part>) -> Lines {
        let mut sum = Lines::default();
        let wanted = |trusted: &&Trusted| {
            trusted.file.is_own == is_own && part.is_none_or(|part| trusted.part == part)
        };
        (self.files.iter().filter(wanted)).for_each(|trusted| sum += trusted.lines);
        sum
    }
}

/// The programs that a component trusts, and what for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Programs {
    packages: Vec<(Part, String)>,
    foreign: Vec<String>,
}

impl Programs {
    fn add(&mut self, part: Part, program: &Program) {
        match program.module().content {
            FileContent::Package(package) => self.packages.push((part, package)),
            FileContent::Path(path) => self.foreign.push(path),
            FileContent::Guest(guest) => self.foreign.push(guest.name().into()),
        }
    }
}

/// The components whose channels `component` calls, directly or through others.
fn servers<'s>(system: &'s System, component: &str) -> Vec<&'s Component> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![component];
    while let Some(client) = open.pop() {
        for channel in &system.channels {
            let mut clients = channel.clients.iter();
            let server = channel.server.get_ref().as_str();
            if clients.any(|grant| grant.component.get_ref() == client)
                && server != component
                && names.insert(server)
            {
                open.push(server);
            }
        }
    }
    let components = system.components.iter();
    let is_server = |other: &&Component| names.contains(other.name.get_ref().as_str());
    components.filter(is_server).collect()
}

fn programs(system: &System, component: Option<&Component>) -> Programs {
    let mut programs = Programs::default();
    for (part, package) in [
        (Part::Kernel, "kernel"),
        (Part::Bootstrap, "bootstrap"),
        (Part::Sigma0, "sigma0"),
    ] {
        programs.packages.push((part, package.into()));
    }
    if let Some(root) = &system.root {
        programs.add(Part::Program, root);
    }
    if let Some(component) = component {
        programs.packages.push((Part::Moe, "moe".into()));
        programs.packages.push((Part::Ned, system.ned()));
        for server in servers(system, component.name.get_ref()) {
            programs.add(Part::Servers, &server.program);
        }
        programs.add(Part::Program, &component.program);
    }
    programs
}

/// Counts for systems of one architecture; builds each program once, looks at each file once.
pub struct Counter<'b> {
    builder: Builder<'b>,
    programs: BTreeMap<(String, Kernel), Vec<SourceFile>>,
    lines: BTreeMap<PathBuf, Lines>,
}

impl<'b> Counter<'b> {
    pub fn new(builder: Builder<'b>) -> Self {
        Self {
            builder,
            programs: BTreeMap::new(),
            lines: BTreeMap::new(),
        }
    }

    /// What each component of a system trusts; or its root task, if it has that instead.
    pub fn count(&mut self, system: &System) -> Result<Vec<Base>> {
        let root = system.root.iter().map(|root| (root.module().name, None));
        let components = (system.components.iter())
            .map(|component| (component.name.get_ref().clone(), Some(component)));
        let all: Vec<_> = root.chain(components).collect();
        let mut bases = vec![];
        for (name, component) in all {
            let programs = programs(system, component);
            let files = self.files(&programs, system.kernel)?;
            bases.push(Base {
                system: system.file_name(),
                component: name,
                arch: self.builder.arch,
                files,
                foreign: programs.foreign,
            });
        }
        Ok(bases)
    }

    fn files(&mut self, programs: &Programs, kernel: Kernel) -> Result<Vec<Trusted>> {
        let mut users: BTreeMap<SourceFile, BTreeSet<(Part, &str)>> = BTreeMap::new();
        for (part, package) in &programs.packages {
            let key = (package.clone(), kernel);
            if !self.programs.contains_key(&key) {
                let files = self.builder.sources(package, kernel)?;
                self.programs.insert(key.clone(), files);
            }
            for file in &self.programs[&key] {
                let users = users.entry(file.clone()).or_default();
                users.insert((*part, package));
            }
        }
        let trusted = |(file, users): (SourceFile, BTreeSet<(Part, &str)>)| {
            let lines = self.lines(&file)?;
            let mut users = users.into_iter();
            let part = match (users.next(), users.next()) {
                (Some((part, _)), None) if is_device(&file) => match part {
                    Part::Program => Part::Devices,
                    part => part,
                },
                (Some((part, _)), None) => part,
                _ => Part::Libraries,
            };
            Ok(Trusted { file, part, lines })
        };
        users.into_iter().map(trusted).collect()
    }

    fn lines(&mut self, file: &SourceFile) -> Result<Lines> {
        if let Some(lines) = self.lines.get(&file.path) {
            return Ok(*lines);
        }
        let text = std::fs::read_to_string(&file.path);
        let text = text.context(|| format!("reading {}", file.path.display()))?;
        let lines = code_lines::measure(&text);
        self.lines.insert(file.path.clone(), lines);
        Ok(lines)
    }
}

fn is_device(file: &SourceFile) -> bool {
    let path = file.path.to_string_lossy();
    path.contains(VMM) && path.contains(DEVICES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn system(name: &str) -> System {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        System::read(&path)
            .map_err(|problems| problems.to_string())
            .unwrap()
    }

    fn trusted(system: &System, name: &str) -> Vec<(Part, String)> {
        let mut components = system.components.iter();
        let component = components.find(|component| component.name.get_ref() == name);
        programs(system, component).packages
    }

    #[test]
    fn a_client_trusts_its_server_but_not_the_other_way_round() {
        let system = system("../configs/pingpong.toml");
        let base = ["kernel", "bootstrap", "sigma0", "moe", "ned"];
        let names = |list: Vec<(Part, String)>| -> Vec<String> {
            list.into_iter().map(|(_, name)| name).collect()
        };
        let client = names(trusted(&system, "client"));
        assert_eq!(client[..5], base);
        assert_eq!(client[5..], ["pingpong-server", "pingpong-client"]);
        let server = names(trusted(&system, "server"));
        assert_eq!(server[5..], ["pingpong-server"]);
    }

    #[test]
    fn servers_of_servers_are_trusted_and_foreign_programs_named() {
        let system = system("tests/data/trust.toml");
        let first = system.components.first();
        let names: Vec<&str> = servers(&system, "first")
            .into_iter()
            .map(|component| component.name.get_ref().as_str())
            .collect();
        assert_eq!(names, ["second", "third"]);
        assert!(servers(&system, "third").is_empty());
        let programs = programs(&system, first);
        assert_eq!(programs.foreign, ["other.elf"]);
        assert_eq!(
            programs.packages.last(),
            Some(&(Part::Program, "hello".into()))
        );
    }

    #[test]
    fn lines_are_summed_by_part_and_origin() {
        let file = |name: &str, is_own, part, all, unsafe_code| Trusted {
            file: SourceFile {
                path: name.into(),
                package: name.into(),
                is_own,
            },
            part,
            lines: Lines {
                all,
                unsafe_code,
                assembler: 0,
            },
        };
        let base = Base {
            system: "s".into(),
            component: "c".into(),
            arch: Architecture::X86_64,
            files: vec![
                file("a", true, Part::Kernel, 10, 1),
                file("b", true, Part::Program, 20, 0),
                file("c", false, Part::Kernel, 40, 4),
            ],
            foreign: vec![],
        };
        assert_eq!(base.lines(true, None).all, 30);
        assert_eq!(base.lines(true, Some(Part::Kernel)).all, 10);
        assert_eq!(base.lines(true, Some(Part::Moe)).all, 0);
        let crates = base.lines(false, None);
        assert_eq!((crates.all, crates.unsafe_code), (40, 4));
    }
}
