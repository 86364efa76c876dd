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
            let lines = boot(&workspace, arch, LONG_OPERATIONS, Purpose::Measure, false)?;
            let found = lines.iter().filter(|line| line.starts_with("@brio "));
            found.for_each(|line| println!("{line}"));
            continue;
        }
        let figures = measure(&workspace, arch)?;
        let isolated = match arch {
            Architecture::X86_64 => Some(measure_isolated(&workspace, arch)?),
            Architecture::Aarch64 => None,
        };
        println!("{}", report::table(arch, &figures, isolated.as_ref()));
        csv += &report::csv(arch.name(), arch, &figures);
        if let Some(isolated) = &isolated {
            csv += &report::csv(&format!("{arch}-isolated"), arch, isolated);
        }
        missed.extend(report::missed(arch, &figures));
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

/// Boots the programs and collects what they and the kernel print.
fn measure(workspace: &Workspace, arch: Architecture) -> Result<Figures> {
    let mut lines = boot(workspace, arch, SYSTEM, Purpose::Plain, false)?;
    lines.extend(boot(workspace, arch, OTHER_CPUS, Purpose::Plain, false)?);
    lines.extend(boot(
        workspace,
        arch,
        LONG_OPERATIONS,
        Purpose::Measure,
        false,
    )?);
    Figures::read(lines.iter().map(String::as_str))
}

/// The same of a kernel that isolates itself from user mode, on one CPU.
fn measure_isolated(workspace: &Workspace, arch: Architecture) -> Result<Figures> {
    let lines = boot(workspace, arch, SYSTEM, Purpose::Plain, true)?;
    Figures::read(lines.iter().map(String::as_str))
}

/// Boots a system and collects what it prints.
fn boot(
    workspace: &Workspace,
    arch: Architecture,
    system: &str,
    purpose: Purpose,
    isolate: bool,
) -> Result<Vec<String>> {
    let path = relative(&workspace.root().join(system));
    let mut system = run::load(workspace, &path.to_string_lossy())?;
    system.kernel.purpose = purpose;
    system.isolate = Some(isolate);
    let image = run::build(&system, workspace, arch, Profile::Release)?;
    let mut machine = Machine::new(&system, arch, image);
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
