//! Systems: what a configuration file says, checked and compiled.
//!
//! `source` text and problems · `value` typed access to TOML · `parse` file → [`System`] ·
//! `check` what a machine can know before boot · `compile` [`System`] → the description that ned reads ·
//! `foreign` boot images that others made.

pub mod check;
pub mod compile;
pub mod foreign;
mod parse;
pub mod source;
#[cfg(test)]
mod tests;
mod value;

use crate::architecture::Architecture;
use crate::build::Kernel;
use crate::guests::Guest;
use source::{Problems, Source, Span};
use std::path::{Path, PathBuf};
use system_description::{CapabilityKind, Colour, Restart, Rights, Runtime};
use toml::Spanned;

/// A system as its file describes it.
#[derive(Debug)]
pub struct System {
    pub source: Source,
    /// Stem of the file's name.
    pub name: String,
    pub archs: Vec<Architecture>,
    pub ends_when: Vec<Spanned<String>>,
    pub verbose: bool,
    /// Memory of the machine in bytes.
    pub ram: Spanned<u64>,
    /// CPUs of the machine.
    pub cpus: u64,
    /// The kernel's own memory in bytes, if the file sets it.
    pub kernel_memory: Option<Spanned<u64>>,
    /// Whether the kernel has address spaces of its own, if the CPU does not decide (x86_64).
    pub isolate: Option<bool>,
    /// What the kernel has beyond a release.
    pub kernel: Kernel,
    /// A program that takes moe's place.
    pub root: Option<Program>,
    /// What it is told, one word each.
    pub root_args: Vec<Spanned<String>>,
    /// Boot modules that belong to no component.
    pub files: Vec<File>,
    pub components: Vec<Component>,
    pub channels: Vec<Channel>,
    pub dataspaces: Vec<Dataspace>,
    pub test: Test,
}

#[derive(Debug)]
pub struct Component {
    pub name: Spanned<String>,
    pub program: Program,
    pub args: Vec<Spanned<String>>,
    pub rom: Vec<File>,
    pub capabilities: Vec<(Spanned<String>, CapabilityKind)>,
    pub memory: Spanned<u64>,
    pub kernel_memory: Spanned<u64>,
    /// One bit per CPU.
    pub cpus: u64,
    pub priority: u8,
    pub colour: Colour,
    pub runtime: Spanned<Runtime>,
    pub restart: Spanned<Restart>,
    pub essential: bool,
}

/// Where a program comes from.
#[derive(Clone, Debug)]
pub enum Program {
    /// A package of the workspace.
    Package(Spanned<String>),
    File(File),
}

/// A boot module made of a file or of a workspace program.
#[derive(Clone, Debug)]
pub struct File {
    /// Name of the module.
    pub name: String,
    pub content: FileContent,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// Path, relative to the configuration file; `{arch}` in it stands for the architecture's name.
    Path(String),
    /// Package of the workspace.
    Package(String),
    /// What a guest of a virtual machine boots from.
    Guest(Guest),
}

#[derive(Debug)]
pub struct Channel {
    pub name: Spanned<String>,
    pub server: Spanned<String>,
    pub server_name: Spanned<String>,
    pub per_client: bool,
    pub clients: Vec<Grant>,
}

#[derive(Debug)]
pub struct Dataspace {
    pub name: Spanned<String>,
    pub size: Spanned<u64>,
    pub users: Vec<Grant>,
}

#[derive(Debug)]
pub struct Grant {
    pub component: Spanned<String>,
    pub rights: Spanned<Rights>,
    pub name: Spanned<String>,
    pub args: Vec<Spanned<String>>,
}

/// How `xtask test` runs the system and what it must do.
#[derive(Clone, Debug)]
pub struct Test {
    /// Texts that lines must contain, in this order, other lines between them; `{smp}` in them is
    /// the number of CPUs.
    pub expect: Vec<String>,
    /// What lines of single components must contain.
    pub components: Vec<Lines>,
    /// Texts that no line may contain.
    pub forbid: Vec<String>,
    /// Numbers that the system tells, and what they may be at most.
    pub most: Vec<Most>,
    /// What is typed, and after which line.
    pub input: Vec<Input>,
    /// Exit code of the system.
    pub exit: u64,
    /// Text of the panic that must end it, instead of an exit.
    pub panic: Option<String>,
    /// Seconds.
    pub timeout: u64,
    /// Numbers of CPUs to run it with.
    pub smp: Vec<u64>,
    /// Versions of the interrupt controller to run it with (aarch64).
    pub gic: Vec<u64>,
    /// Processors to run it with (x86_64): models of Bochs, or [`QEMU`](Self::QEMU).
    pub processors: Vec<String>,
    /// The machine starts anew when the system says so; otherwise that ends the emulator.
    pub reboots: bool,
    /// Only with `--long`.
    pub long: bool,
    /// Time goes by the instructions that are executed, and leaps where nothing is to be done.
    pub virtual_time: bool,
    /// How long an instruction takes then, as a power of two of nanoseconds.
    pub instruction_time: u32,
    /// It never ends: it is switched off after the last expected line. No configuration file says so.
    pub endless: bool,
}

impl Default for Test {
    fn default() -> Self {
        Self {
            expect: vec![],
            components: vec![],
            forbid: vec![],
            most: vec![],
            input: vec![],
            exit: 0,
            panic: None,
            timeout: 600,
            smp: vec![1],
            gic: vec![3],
            processors: vec![Self::QEMU.into()],
            reboots: false,
            long: false,
            virtual_time: false,
            instruction_time: 8_u32.ilog2(),
            endless: false,
        }
    }
}

impl Test {
    /// The processor that QEMU emulates.
    pub const QEMU: &str = "qemu";

    /// The test as it is on a machine with so many CPUs.
    pub fn on(&self, arch: Architecture, cpus: u64) -> Self {
        let mut test = self.clone();
        (test.components).retain(|lines| lines.arch.is_none_or(|own| own == arch));
        for text in &mut test.expect {
            *text = text.replace("{smp}", &cpus.to_string());
        }
        test
    }
}

/// Texts that lines of one component must contain, in this order, whatever others print in between.
#[derive(Clone, Debug)]
pub struct Lines {
    pub component: String,
    /// The architecture where it is so, if it is not the same on both.
    pub arch: Option<Architecture>,
    pub texts: Vec<String>,
}

/// A number in lines of the console, which at least one line must have.
#[derive(Clone, Debug)]
pub struct Most {
    /// What is right before the number, but for spaces.
    pub after: String,
    pub number: u64,
}

/// Something typed on the console.
#[derive(Clone, Debug)]
pub struct Input {
    /// Typed once a line contains this text; at once if empty.
    pub after: String,
    pub text: String,
}

impl System {
    /// Reads a system's file. `check` has not been done yet.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        parse::system(Source::read(path)?)
    }

    /// The kernel's own memory in bytes: a sixteenth of all, at least 16 MiB, unless the file says otherwise.
    pub fn kernel_share(&self) -> u64 {
        match &self.kernel_memory {
            Some(bytes) => *bytes.get_ref(),
            None => (self.ram.get_ref() / 16).max(16 << 20),
        }
    }

    /// A name for files that belong to it: the stem for those in `configs/`, else the whole path.
    pub fn file_name(&self) -> String {
        let path = self.source.path.with_extension("");
        let path = path.strip_prefix("configs").unwrap_or(&path);
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("-").replace('/', "")
    }

    /// A file's path, as seen from the current directory.
    pub fn file_path(&self, path: &str, arch: Architecture) -> PathBuf {
        let folder = self.source.path.parent().unwrap_or(Path::new(""));
        folder.join(path.replace("{arch}", arch.name()))
    }

    /// The packages whose programs it needs.
    pub fn packages(&self) -> Vec<String> {
        let package = |file: File| match file.content {
            FileContent::Package(name) => Some(name),
            FileContent::Path(_) | FileContent::Guest(_) => None,
        };
        let modules = self.modules().into_iter().filter_map(package);
        let ned = self.root.is_none().then(|| self.ned());
        modules.chain(ned).collect()
    }

    /// ned, with those of its features that the system needs.
    pub fn ned(&self) -> String {
        let is_foreign = |component: &Component| {
            let is_file = matches!(component.program.module().content, FileContent::Path(_));
            is_file || *component.runtime.get_ref() == Runtime::L4re
        };
        let mut ned = String::from("ned");
        if self.channels.iter().any(|channel| channel.per_client) {
            ned += "+per-client";
        }
        if self.components.iter().any(is_foreign) {
            ned += "+foreign";
        }
        ned
    }

    /// All boot modules that are not part of every system: programs, then files, each name once.
    pub fn modules(&self) -> Vec<File> {
        let programs = self
            .root
            .iter()
            .chain(self.components.iter().map(|component| &component.program));
        let rom = self.components.iter().flat_map(|component| &component.rom);
        let all = programs
            .map(Program::module)
            .chain(rom.cloned())
            .chain(self.files.iter().cloned());
        let mut modules: Vec<File> = vec![];
        for module in all {
            if !modules.iter().any(|other| other.name == module.name) {
                modules.push(module);
            }
        }
        modules
    }
}

impl Program {
    pub fn span(&self) -> Span {
        match self {
            Self::Package(name) => name.span(),
            Self::File(file) => file.span.clone(),
        }
    }

    pub fn module(&self) -> File {
        match self {
            Self::Package(name) => File {
                name: name.get_ref().clone(),
                content: FileContent::Package(name.get_ref().clone()),
                span: name.span(),
            },
            Self::File(file) => file.clone(),
        }
    }
}
