//! Building what boots: cargo, once per group of programs that need the same flags.

use crate::architecture::Architecture;
use crate::cargo;
use crate::failure::{Context, Result, fail};
use crate::setup::Core;
use crate::sources::{self, SourceFile};
use crate::workspace::{Workspace, package_and_features};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How it is optimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Optimised, with assertions.
    Checked,
    /// What images are made of.
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Release => "release",
        }
    }
}

/// What the kernel has for people who look inside, and no release needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Nothing.
    #[default]
    Plain,
    /// The kernel debugger.
    Debugger,
    /// The debugger's list of all objects, and the types of everything: for gdb.
    Gdb,
    /// Trace buffers, and the names that the debugger keeps.
    Trace,
    /// Tells how long interrupts stay off.
    Measure,
}

/// What a kernel can be built without: features that it has otherwise.
pub const KERNEL_PARTS: [&str; 4] = ["fast-paths", "gic-v2", "isolation", "vmx"];

/// A kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    pub purpose: Purpose,
    /// Which of [`KERNEL_PARTS`] it does not have.
    pub without: [bool; KERNEL_PARTS.len()],
}

impl Kernel {
    /// One with all its parts.
    pub const fn whole(purpose: Purpose) -> Self {
        Self {
            purpose,
            without: [false; KERNEL_PARTS.len()],
        }
    }

    /// What cargo is told.
    fn arguments(self) -> Vec<String> {
        let mut arguments: Vec<String> = vec![];
        let mut features: Vec<String> = vec![];
        if self.without.contains(&true) {
            arguments.push("--no-default-features".into());
            let parts = KERNEL_PARTS.iter().zip(self.without);
            features.extend(
                parts
                    .filter(|(_, without)| !without)
                    .map(|(part, _)| format!("kernel/{part}")),
            );
        }
        features.extend(match self.purpose {
            Purpose::Plain => None,
            Purpose::Debugger | Purpose::Gdb => Some("kernel/debugger".into()),
            Purpose::Trace => Some("kernel/trace".into()),
            Purpose::Measure => Some("kernel/measure".into()),
        });
        if !features.is_empty() {
            arguments.extend(["--features".into(), features.join(",")]);
        }
        if self.purpose == Purpose::Gdb {
            let types = "profile.checked.debug='full'";
            arguments.extend(["--config".into(), types.into()]);
        }
        arguments
    }

    /// The name of its file.
    fn file(self) -> String {
        let mut name = String::from("kernel");
        name += match self.purpose {
            Purpose::Plain => "",
            Purpose::Debugger => "-debugger",
            Purpose::Gdb => "-gdb",
            Purpose::Trace => "-trace",
            Purpose::Measure => "-measure",
        };
        for (part, without) in KERNEL_PARTS.iter().zip(self.without) {
            if without {
                name += &format!("-without-{part}");
            }
        }
        name + ".elf"
    }
}

/// Which kernel options block the kernel declares (abi/07 §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionsBlock {
    V5,
    V6,
}

/// Programs that are linked in the same way.
struct Group {
    name: &'static str,
    /// What people are told is being built.
    about: &'static str,
    flags: fn(Architecture) -> &'static [&'static str],
}

/// At addresses of its own; position independent on aarch64, where it relocates itself.
const KERNEL: Group = Group {
    name: "kernel",
    about: "kernel",
    flags: |arch| match arch {
        Architecture::X86_64 => &["-Crelocation-model=static", "-Clink-arg=-no-pie"],
        Architecture::Aarch64 => POSITION_INDEPENDENT,
    },
};

/// The loader before the kernel.
const BOOTSTRAP: Group = Group {
    name: "bootstrap",
    about: "bootstrap",
    flags: |arch| match arch {
        Architecture::X86_64 => &["-Crelocation-model=static", "-Clink-arg=-no-pie"],
        Architecture::Aarch64 => POSITION_INDEPENDENT,
    },
};

/// sigma0 and moe: bootstrap places and relocates them.
const BASE: Group = Group {
    name: "base",
    about: "sigma0 and moe",
    flags: |_| POSITION_INDEPENDENT,
};

/// Everything that ned or its components start, at one fixed address.
const PROGRAMS: Group = Group {
    name: "programs",
    about: "programs",
    flags: |_| {
        &[
            "-Crelocation-model=static",
            "-Clink-arg=-no-pie",
            "-Clink-arg=--image-base=0x1000000",
            "-Clink-arg=-zmax-page-size=4096",
        ]
    },
};

/// The precompiled `core` has absolute addresses in read-only data, which aarch64's linker accepts in a
/// position-independent program only with `notext`; they are relocated before that data is protected.
const POSITION_INDEPENDENT: &[&str] = &[
    "-Crelocation-model=pic",
    "-Clink-arg=-pie",
    "-Clink-arg=-znotext",
    "-Clink-arg=-zmax-page-size=4096",
];

/// For every group: backtraces walk frame pointers.
const COMMON: &[&str] = &["-Cforce-frame-pointers=yes"];

/// Builds for one architecture.
pub struct Builder<'w> {
    pub workspace: &'w Workspace,
    pub arch: Architecture,
    pub profile: Profile,
    pub options_block: OptionsBlock,
}

impl Builder<'_> {
    /// Builds these kernels, bootstrap, sigma0 and moe, ned, and these packages.
    pub fn build(&self, programs: &[impl AsRef<str>], kernels: &[Kernel]) -> Result<()> {
        // Asked for once here, so that nothing is built if it is missing.
        Core::get(self.arch)?;
        let options_block: &[&str] = match self.options_block {
            OptionsBlock::V5 => &[],
            OptionsBlock::V6 => &["--features", "machine/options-block-6"],
        };
        for kernel in kernels {
            let arguments = kernel.arguments();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let built = self.cargo(&KERNEL, &["kernel"], &[options_block, &arguments])?;
            copy_if_newer(&built.join("kernel"), &self.kernel(*kernel))?;
        }
        self.group(&BOOTSTRAP, &["bootstrap"])?;
        let (root_tasks, mut components): (Vec<&str>, Vec<&str>) = programs
            .iter()
            .map(AsRef::as_ref)
            .partition(|program| self.workspace.is_root_task(program));
        self.group(&BASE, &[vec!["sigma0", "moe"], root_tasks].concat())?;
        components.retain(|program| *program != "ned");
        components.push("ned");
        self.group(&PROGRAMS, &components)
    }

    /// Where the ELF file of a program is after [`build`](Self::build).
    pub fn program(&self, package: &str) -> PathBuf {
        program_path(self.workspace, self.arch, package)
    }

    /// Where a kernel's ELF file is after [`build`](Self::build).
    pub fn kernel(&self, kernel: Kernel) -> PathBuf {
        kernel_path(self.workspace, self.arch, kernel)
    }

    /// Programs with features of their own are built alone, so that no other gets these.
    fn group(&self, group: &Group, programs: &[&str]) -> Result<()> {
        let (featured, plain): (Vec<&str>, Vec<&str>) =
            programs.iter().partition(|program| program.contains('+'));
        let built = self.cargo(group, &plain, &[])?;
        for package in plain {
            copy_if_newer(&built.join(package), &self.program(package))?;
        }
        for program in featured {
            let (package, features) = package_and_features(program);
            let built = self.cargo(group, &[package], &[&features_argument(&features)])?;
            copy_if_newer(&built.join(package), &self.program(program))?;
        }
        Ok(())
    }

    /// Builds one program, and finds out which files it was made of.
    pub fn sources(&self, program: &str, kernel: Kernel) -> Result<Vec<SourceFile>> {
        let (package, features) = package_and_features(program);
        let (group, kernel) = match package {
            "kernel" => (&KERNEL, kernel.arguments()),
            "bootstrap" => (&BOOTSTRAP, vec![]),
            "sigma0" | "moe" => (&BASE, vec![]),
            root if self.workspace.is_root_task(root) => (&BASE, vec![]),
            _ => (&PROGRAMS, vec![]),
        };
        let kernel: Vec<&str> = kernel.iter().map(String::as_str).collect();
        let features = features_argument(&features);
        let (mut command, built) = self.command(group, &[package], &[&kernel, &features])?;
        let messages = command
            .args(["--message-format", "json-render-diagnostics"])
            .stderr(Stdio::inherit())
            .output()
            .context(|| "running cargo")?;
        if !messages.status.success() {
            fail!("building {package} for {} failed", self.arch);
        }
        let messages = String::from_utf8_lossy(&messages.stdout);
        sources::of_program(self.workspace, &built.join(package), &messages)
    }

    /// Runs cargo; where what it built is.
    fn cargo(&self, group: &Group, packages: &[&str], extra: &[&[&str]]) -> Result<PathBuf> {
        let (command, built) = self.command(group, packages, extra)?;
        if !cargo::run(command)? {
            fail!(
                "building {} for {} failed; the messages above say why",
                group.about,
                self.arch
            );
        }
        Ok(built)
    }

    /// How cargo is run, and where it puts what it builds.
    fn command(
        &self,
        group: &Group,
        packages: &[&str],
        extra: &[&[&str]],
    ) -> Result<(Command, PathBuf)> {
        for package in packages {
            if !self.workspace.has_binary(package) {
                fail!("package `{package}` has no program of its name to build");
            }
        }
        let target = self.arch.target();
        let core = Core::get(self.arch)?;
        // Its own folder per group: cargo would rebuild everything whenever the flags change.
        let folder = self.workspace.build_folder(group.name);
        let flags = [COMMON, (group.flags)(self.arch)].concat().join("\u{1f}");
        let mut command = cargo::command(self.workspace.root());
        command
            .args([
                "build",
                "--profile",
                self.profile.name(),
                "--target",
                target,
                "--target-dir",
            ])
            .arg(&folder)
            .args(packages.iter().flat_map(|package| ["--package", package]))
            .args(extra.concat())
            .args(core.arguments())
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .envs(core.environment());
        Ok((command, folder.join(target).join(self.profile.name())))
    }
}

/// What tells cargo the features of the one package that it builds.
fn features_argument<'f>(features: &[&'f str]) -> Vec<&'f str> {
    features
        .iter()
        .flat_map(|feature| ["--features", feature])
        .collect()
}

/// The ELF file of a program.
pub fn program_path(workspace: &Workspace, arch: Architecture, program: &str) -> PathBuf {
    workspace.output(arch).join(program)
}

/// The ELF file of a kernel.
pub fn kernel_path(workspace: &Workspace, arch: Architecture, kernel: Kernel) -> PathBuf {
    workspace.output(arch).join(kernel.file())
}

fn copy_if_newer(from: &Path, to: &Path) -> Result<()> {
    let content = std::fs::read(from).context(|| format!("reading {}", from.display()))?;
    if std::fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).context(|| format!("creating {}", folder.display()))?;
    }
    std::fs::write(to, content).context(|| format!("writing {}", to.display()))
}
