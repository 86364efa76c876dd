//! `cargo xtask bench`: what the kernel's operations cost, in instructions of the emulated machine.
//!
//! The program `tests/bench` measures. `-icount shift=0` makes its counter follow the instructions
//! that the machine executes, so two runs give the same figures, on whatever host.

mod figures;
mod report;
mod rows;

use super::{ONE_ARCH, Verb, run};
use crate::architecture::Architecture;
use crate::arguments::Arguments;
use crate::boot_image::write_file;
use crate::build::{Profile, Purpose};
use crate::failure::{Result, fail};
use crate::qemu::{End, Machine, Output, Session, Typing};
use crate::symbols::Symbols;
use crate::system::System;
use crate::workspace::{Workspace, relative};
use figures::Figures;
use std::path::Path;
use std::time::Duration;

pub(super) const VERB: Verb = Verb {
    name: "bench",
    words: "",
    about: "measures the kernel's operations, in instructions",
    options: &[
        ONE_ARCH,
        (
            "--check",
            "fails if a figure misses its target, and names it",
        ),
        ("--csv FILE", "writes the figures"),
        (
            "--interrupts",
            "tells only how long interrupts are off, in what",
        ),
    ],
    run,
};

/// The system that measures.
const SYSTEM: &str = "tests/bench.toml";
/// The same on two CPUs.
const OTHER_CPUS: &str = "tests/bench-cpus.toml";

/// The system that makes the kernel do what takes long, to measure how long interrupts are off.
const LONG_OPERATIONS: &str = "tests/kernel/latency.toml";

/// The system whose kernel is the least.
const LEAST: &str = "karma-alone";

/// A kernel that is measured beside the default one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OtherKernel {
    /// It isolates itself from user mode.
    Isolated,
    /// It is the one of a system that has the least to trust.
    Least,
}

impl OtherKernel {
    const ALL: [Self; 2] = [Self::Isolated, Self::Least];

    const fn name(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::Least => "least",
        }
    }

    fn is_for(self, arch: Architecture) -> bool {
        self == Self::Least || arch == Architecture::X86_64
    }

    /// The row whose target holds for it too.
    const fn target(self) -> Option<&'static str> {
        match self {
            Self::Isolated => None,
            Self::Least => Some(rows::VM_EXIT),
        }
    }
}

/// For one architecture, on a slow host.
const TIMEOUT: Duration = Duration::from_secs(600);

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    args.no_words()?;
    let workspace = Workspace::load()?;
    let archs = args
        .architecture()?
        .map_or(Architecture::ALL.to_vec(), |arch| vec![arch]);
    let mut csv = report::CSV_HEAD.to_owned();
    let mut missed = vec![];
    for arch in archs {
        if args.flag("--interrupts") {
            let lines = boot_long_operations(&workspace, arch)?;
            let found = lines.iter().filter(|line| line.starts_with("@brio "));
            found.for_each(|line| println!("{line}"));
            continue;
        }
        let measured = Measured::new(&workspace, arch)?;
        println!("{}", measured.table());
        csv += &measured.csv();
        missed.extend(measured.missed());
    }
    if let Some(path) = args.text("--csv") {
        write_file(Path::new(path), csv.as_bytes())?;
    }
    if args.flag("--check") && !missed.is_empty() {
        fail!(
            "{} figures miss their target:\n  {}",
            missed.len(),
            missed.join("\n  ")
        );
    }
    Ok(())
}

/// What all kernels of an architecture take.
pub(super) struct Measured {
    arch: Architecture,
    figures: Figures,
    others: Vec<(OtherKernel, Figures)>,
}

impl Measured {
    /// Measures them. The figures are the same each time, on whatever host.
    pub(super) fn new(workspace: &Workspace, arch: Architecture) -> Result<Self> {
        let figures = measure(workspace, arch)?;
        let mut others = vec![];
        for kernel in OtherKernel::ALL {
            if kernel.is_for(arch) {
                others.push((kernel, measure_other(workspace, arch, kernel)?));
            }
        }
        Ok(Self {
            arch,
            figures,
            others,
        })
    }

    /// What misses its target, one line each.
    pub(super) fn missed(&self) -> Vec<String> {
        let mut missed = report::missed(self.arch, &self.figures);
        for (kernel, figures) in &self.others {
            missed.extend(report::missed_by(self.arch, *kernel, figures));
        }
        missed
    }

    fn table(&self) -> String {
        report::table(self.arch, &self.figures, &self.others)
    }

    fn csv(&self) -> String {
        let mut csv = report::csv(self.arch.name(), self.arch, &self.figures);
        for (kernel, figures) in &self.others {
            let machine = format!("{}-{}", self.arch, kernel.name());
            csv += &report::csv(&machine, self.arch, figures);
        }
        csv
    }
}

/// Boots the programs and collects what they and the kernel print.
fn measure(workspace: &Workspace, arch: Architecture) -> Result<Figures> {
    let mut lines = vec![];
    for system in [SYSTEM, OTHER_CPUS] {
        lines.extend(boot(workspace, arch, &load(workspace, system)?)?);
    }
    lines.extend(boot_long_operations(workspace, arch)?);
    Figures::read(lines.iter().map(String::as_str))
}

fn boot_long_operations(workspace: &Workspace, arch: Architecture) -> Result<Vec<String>> {
    let mut system = load(workspace, LONG_OPERATIONS)?;
    system.kernel.purpose = Purpose::Measure;
    boot(workspace, arch, &system)
}

/// The same of another kernel, on one CPU.
fn measure_other(
    workspace: &Workspace,
    arch: Architecture,
    kernel: OtherKernel,
) -> Result<Figures> {
    let mut system = load(workspace, SYSTEM)?;
    match kernel {
        OtherKernel::Isolated => system.isolate = Some(true),
        OtherKernel::Least => system.kernel = run::load(workspace, LEAST)?.kernel,
    }
    let lines = boot(workspace, arch, &system)?;
    Figures::read(lines.iter().map(String::as_str))
}

/// A system whose kernel does not isolate itself from user mode.
fn load(workspace: &Workspace, system: &str) -> Result<System> {
    let path = relative(&workspace.root().join(system));
    let mut system = run::load(workspace, &path.to_string_lossy())?;
    system.isolate = Some(false);
    Ok(system)
}

/// Boots a system and collects what it prints.
fn boot(workspace: &Workspace, arch: Architecture, system: &System) -> Result<Vec<String>> {
    let image = run::build(system, workspace, arch, Profile::Release)?;
    let mut machine = Machine::new(system, arch, image);
    machine.extra = ["-icount", "shift=0"].map(str::to_owned).to_vec();
    eprintln!("Measuring on {machine}");
    let symbols = Symbols::new(workspace, arch, machine.kernel);
    let session = Session::start(&machine, symbols, Typing::Script(vec![]))?;
    let mut lines = vec![];
    let end = session.run(Some(TIMEOUT), |output| {
        if let Output::Line(line) | Output::Explanation(line) = output {
            lines.push(line.to_owned());
        }
    })?;
    if end != End::Exit(0) {
        lines.iter().for_each(|line| eprintln!("{line}"));
        end.into_result(&system.name)?;
    }
    Ok(lines)
}
