//! Every file in `configs/` and `tests/`, on every architecture that it is for.

use super::boots::{Boot, run_all};
use super::{Outcome, Report};
use crate::architecture::Architecture;
use crate::boot_image;
use crate::build::{Builder, Kernel, OptionsBlock, Profile};
use crate::failure::Result;
use crate::qemu::{Machine, Medium};
use crate::system::{System, Test, check};
use crate::workspace::Workspace;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files that are wrong on purpose, and systems that fail: other tests read them.
const OTHERS: [&str; 2] = ["tests/configurations", "tests/failures"];

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    long: bool,
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let mut systems = vec![];
    for path in files(workspace) {
        let system = System::read(&path);
        let checked = system.and_then(|system| check::check(&system, workspace).map(|()| system));
        match checked {
            Ok(system) => systems.push(system),
            Err(problems) if selected(&path.to_string_lossy()) => {
                let why = Outcome::Failed(problems.to_string());
                report.add(&path.to_string_lossy(), &why, Duration::ZERO);
            }
            Err(_) => {}
        }
    }
    for &arch in archs {
        let systems = systems.iter().filter(|system| system.archs.contains(&arch));
        let name = |system: &System| system.source.path.with_extension("").display().to_string();
        let systems: Vec<_> = systems.map(|system| (name(system), system)).collect();
        run_on(workspace, report, arch, &systems, long, selected)?;
    }
    Ok(())
}

/// The systems of the project, those in `configs/` first.
fn files(workspace: &Workspace) -> Vec<PathBuf> {
    let mut files = workspace.systems("configs");
    let mut folders = vec![PathBuf::from("tests")];
    while let Some(folder) = folders.pop() {
        if OTHERS.iter().any(|other| folder == Path::new(other)) {
            continue;
        }
        files.extend(workspace.systems(&folder.to_string_lossy()));
        let entries = std::fs::read_dir(workspace.root().join(&folder))
            .into_iter()
            .flatten();
        let inner = entries.flatten().filter(|entry| entry.path().is_dir());
        folders.extend(inner.map(|entry| folder.join(entry.file_name())));
    }
    files
}

/// Runs systems, of which each has a name for its tests.
pub(super) fn run_on(
    workspace: &Workspace,
    report: &mut Report,
    arch: Architecture,
    systems: &[(String, &System)],
    long: bool,
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let mut boots: Vec<(&System, Boot)> = vec![];
    for (name, system) in systems {
        for boot in boots_of(name, system, arch)
            .into_iter()
            .filter(|boot| selected(&boot.name))
        {
            if boot.test.long && !long {
                let why = Outcome::Skipped("only with --long".into());
                report.add(&boot.name, &why, Duration::ZERO);
            } else {
                boots.push((system, boot));
            }
        }
    }
    if boots.is_empty() {
        return Ok(());
    }
    println!("Systems on {arch}");
    let profile = Profile::Checked;
    let builder = Builder {
        workspace,
        arch,
        profile,
        options_block: OptionsBlock::V5,
    };
    let mut packages: Vec<String> = boots
        .iter()
        .flat_map(|(system, _)| system.packages())
        .collect();
    packages.sort_unstable();
    packages.dedup();
    let mut kernels: Vec<Kernel> = boots.iter().map(|(system, _)| system.kernel).collect();
    kernels.sort_unstable();
    kernels.dedup();
    let built = builder.build(&packages, &kernels);

    // One image per system, however often it boots.
    let mut images: BTreeMap<&Path, PathBuf> = BTreeMap::new();
    let mut ready = vec![];
    for (system, mut boot) in boots {
        let path = system.source.path.as_path();
        let image = match (&built, images.get(path)) {
            (Err(failure), _) => Err(failure.to_string()),
            (Ok(()), Some(image)) => Ok(image.clone()),
            (Ok(()), None) => {
                boot_image::pack(system, &builder).map_err(|failure| failure.to_string())
            }
        };
        match image {
            Ok(image) => {
                images.insert(path, image.clone());
                boot.machine.medium = Medium::Image(image);
                ready.push(boot);
            }
            Err(why) => report.add(&boot.name, &Outcome::Failed(why), Duration::ZERO),
        }
    }
    run_all(workspace, report, &ready);
    Ok(())
}

/// CPUs that an interrupt controller of version 2 can have.
const GIC_V2_CPUS: u64 = 8;

/// A system's boots on one architecture: with each number of CPUs, and each interrupt controller or
/// processor.
fn boots_of(name: &str, system: &System, arch: Architecture) -> Vec<Boot> {
    let test = &system.test;
    let mut boots = vec![];
    for &cpus in &test.smp {
        let mut name = format!("{name} {arch}");
        if test.smp.len() > 1 {
            name += &format!(" smp {cpus}");
        }
        let mut add = |variant: String, gic, bochs| {
            let mut machine = Machine {
                cpus,
                gic,
                bochs,
                ..Machine::new(system, arch, PathBuf::new())
            };
            if test.virtual_time {
                let power = test.instruction_time;
                machine.extra = vec!["-icount".into(), format!("shift={power},sleep=off")];
            }
            if test.reboots {
                // The later of two options counts.
                machine
                    .extra
                    .extend(["-action".into(), "reboot=reset".into()]);
            }
            boots.push(Boot {
                name: format!("{name}{variant}"),
                machine,
                test: test.on(arch, cpus),
            });
        };
        match arch {
            Architecture::X86_64 => {
                for processor in &test.processors {
                    match processor.as_str() {
                        Test::QEMU => add(String::new(), 0, None),
                        model => add(format!(" bochs {model}"), 0, Some(model.to_owned())),
                    }
                }
            }
            Architecture::Aarch64 => {
                for &gic in test
                    .gic
                    .iter()
                    .filter(|&&gic| gic != 2 || cpus <= GIC_V2_CPUS)
                {
                    let variant = match test.gic.len() {
                        1 => String::new(),
                        _ => format!(" gic {gic}"),
                    };
                    add(variant, gic, None);
                }
            }
        }
    }
    boots
}
