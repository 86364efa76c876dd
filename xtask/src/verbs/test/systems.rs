//! The tests that boot: every file in `configs/` and `tests/`, on every architecture, two at once.

use super::{Outcome, Report};
use crate::architecture::Architecture;
use crate::boot_image::{self, KernelOptions};
use crate::build::{Builder, OptionsBlock, Profile};
use crate::console;
use crate::failure::{Failure, Result};
use crate::qemu::{End, Machine, Output, Session, Typing};
use crate::symbols::Symbols;
use crate::system::{System, Test, check};
use crate::workspace::Workspace;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many machines run at once. Their own CPUs are threads too, so more would slow each other down.
const PARALLEL: usize = 2;

/// Lines of the console that are shown of a test that failed.
const SHOWN_LINES: usize = 25;

/// Files that are wrong on purpose; the tests of `xtask check` read them.
const BROKEN: &str = "tests/configurations";

/// One boot of one system.
struct Boot {
    /// Position of its system.
    system: usize,
    name: String,
    machine: Machine,
}

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    only: Option<Architecture>,
    long: bool,
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let mut systems = vec![];
    for path in files(workspace) {
        let loaded = System::read(&path)
            .and_then(|system| check::check(&system, workspace).map(|()| system));
        match loaded {
            Ok(system) => systems.push(system),
            Err(problems) if selected(&path.to_string_lossy()) => {
                let why = Outcome::Failed(problems.to_string());
                report.add(&path.to_string_lossy(), &why, Duration::ZERO);
            }
            Err(_) => {}
        }
    }
    for arch in Architecture::ALL
        .into_iter()
        .filter(|&arch| only.is_none_or(|only| only == arch))
    {
        let boots: Vec<Boot> = systems
            .iter()
            .enumerate()
            .filter(|(_, system)| system.archs.contains(&arch))
            .flat_map(|(index, system)| boots(index, system, arch))
            .filter(|boot| selected(&boot.name))
            .collect();
        let (boots, too_long): (Vec<Boot>, Vec<Boot>) = boots
            .into_iter()
            .partition(|boot| long || !systems[boot.system].test.long);
        for boot in too_long {
            report.add(
                &boot.name,
                &Outcome::Skipped("only with --long".into()),
                Duration::ZERO,
            );
        }
        if !boots.is_empty() {
            run_all(workspace, report, arch, &systems, boots)?;
        }
    }
    Ok(())
}

/// The systems of the project, those in `configs/` first.
fn files(workspace: &Workspace) -> Vec<PathBuf> {
    let mut files = workspace.systems("configs");
    let mut folders = vec![PathBuf::from("tests")];
    while let Some(folder) = folders.pop() {
        if folder == Path::new(BROKEN) {
            continue;
        }
        files.extend(workspace.systems(&folder.to_string_lossy()));
        let entries = std::fs::read_dir(workspace.root().join(&folder))
            .into_iter()
            .flatten()
            .flatten();
        let inner = entries.filter(|entry| entry.path().is_dir());
        folders.extend(inner.map(|entry| folder.join(entry.file_name())));
    }
    files
}

/// A system's boots on one architecture: with each number of CPUs and each interrupt controller.
fn boots(index: usize, system: &System, arch: Architecture) -> Vec<Boot> {
    let gics: &[u64] = match arch {
        Architecture::X86_64 => &[0],
        Architecture::Aarch64 => &system.test.gic,
    };
    let mut boots = vec![];
    for &cpus in &system.test.smp {
        for &gic in gics {
            let mut name = format!("{} {arch}", system.source.path.with_extension("").display());
            if system.test.smp.len() > 1 {
                name += &format!(" smp {cpus}");
            }
            if gics.len() > 1 {
                name += &format!(" gic {gic}");
            }
            let machine = Machine {
                arch,
                image: PathBuf::new(),
                memory: *system.ram.get_ref(),
                cpus: cpus.max(1),
                gic,
                kvm: false,
                extra: vec![],
            };
            boots.push(Boot {
                system: index,
                name,
                machine,
            });
        }
    }
    boots
}

fn run_all(
    workspace: &Workspace,
    report: &mut Report,
    arch: Architecture,
    systems: &[System],
    boots: Vec<Boot>,
) -> Result<()> {
    println!("Systems on {arch}");
    let builder = Builder {
        workspace,
        arch,
        profile: Profile::Checked,
        options_block: OptionsBlock::V5,
    };
    let mut packages: Vec<String> = boots
        .iter()
        .flat_map(|boot| systems[boot.system].packages())
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if let Err(failure) = builder.build(&packages) {
        for boot in boots {
            report.add(
                &boot.name,
                &Outcome::Failed(failure.to_string()),
                Duration::ZERO,
            );
        }
        return Ok(());
    }
    // One image per system, however often it boots.
    let mut images: BTreeMap<usize, Result<PathBuf>> = BTreeMap::new();
    for boot in &boots {
        let pack = || boot_image::pack(&systems[boot.system], &builder, &KernelOptions::default());
        images.entry(boot.system).or_insert_with(pack);
    }
    let next = AtomicUsize::new(0);
    let report = Mutex::new(report);
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL.min(boots.len()) {
            scope.spawn(|| {
                while let Some(boot) = boots.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let run = match &images[&boot.system] {
                        Ok(image) => boot_once(&builder, &systems[boot.system], boot, image),
                        Err(failure) => Run::failed(failure),
                    };
                    let time = start.elapsed();
                    // A thread that panicked while it printed leaves counts that are still right.
                    let mut report = report
                        .lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner());
                    for (name, outcome) in run.reports {
                        report.add(&format!("{}: {name}", boot.name), &outcome, Duration::ZERO);
                    }
                    report.add(&boot.name, &run.outcome, time);
                    if matches!(run.outcome, Outcome::Failed(_)) {
                        let shown = run.lines.len().saturating_sub(SHOWN_LINES);
                        run.lines[shown..]
                            .iter()
                            .for_each(|line| println!("      {line}"));
                    }
                }
            });
        }
    });
    Ok(())
}

/// What one boot gave.
struct Run {
    outcome: Outcome,
    /// Tests that the system itself reported.
    reports: Vec<(String, Outcome)>,
    /// The console.
    lines: Vec<String>,
}

impl Run {
    fn failed(failure: &Failure) -> Self {
        Self {
            outcome: Outcome::Failed(failure.to_string()),
            reports: vec![],
            lines: vec![],
        }
    }
}

fn boot_once(builder: &Builder<'_>, system: &System, boot: &Boot, image: &Path) -> Run {
    let mut run = Run {
        outcome: Outcome::Passed,
        reports: vec![],
        lines: vec![],
    };
    let machine = Machine {
        image: image.into(),
        ..boot.machine.clone()
    };
    let symbols = Symbols::new(builder.workspace, builder.arch);
    let typing = Typing::Script(system.test.input.clone());
    let timeout = Duration::from_secs(system.test.timeout);
    let ended = Session::start(&machine, symbols, typing).and_then(|session| {
        session.run(Some(timeout), |output| match output {
            Output::Line(line) | Output::Explanation(line) => run.lines.push(line.to_owned()),
            Output::Report(console::Report::Test {
                name,
                passed,
                message,
            }) => {
                let outcome = if passed {
                    Outcome::Passed
                } else {
                    Outcome::Failed(message)
                };
                run.reports.push((name, outcome));
            }
            Output::Bytes(_) | Output::Report(_) => {}
        })
    });
    let file = format!("{}.log", boot.name.replace(['/', ' '], "-"));
    let log = builder
        .workspace
        .output(builder.arch)
        .join("logs")
        .join(file);
    let saved = boot_image::write_file(&log, (run.lines.join("\n") + "\n").as_bytes());
    run.outcome = match ended.and_then(|end| saved.map(|()| end)) {
        Ok(end) => verdict(&end, &run.lines, &system.test),
        Err(failure) => Outcome::Failed(failure.to_string()),
    };
    run
}

/// Whether a boot was what its test wants.
fn verdict(end: &End, lines: &[String], test: &Test) -> Outcome {
    if *end != End::Exit(u32::try_from(test.exit).unwrap_or(u32::MAX)) {
        return Outcome::Failed(format!("the system {end}"));
    }
    let mut rest = lines.iter();
    for expected in &test.expect {
        if !rest.any(|line| line.contains(expected)) {
            let order = if lines.iter().any(|line| line.contains(expected)) {
                " after the others"
            } else {
                ""
            };
            return Outcome::Failed(format!("no line with `{expected}`{order}"));
        }
    }
    for forbidden in &test.forbid {
        if let Some(line) = lines.iter().find(|line| line.contains(forbidden)) {
            return Outcome::Failed(format!("forbidden line: {line}"));
        }
    }
    Outcome::Passed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict_of(end: End, lines: &[&str]) -> Result<(), String> {
        let test = Test {
            expect: vec!["first".into(), "second".into()],
            forbid: vec!["never".into()],
            ..Test::default()
        };
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        match verdict(&end, &lines, &test) {
            Outcome::Failed(why) => Err(why),
            _ => Ok(()),
        }
    }

    #[test]
    fn a_test_passes_with_all_lines_in_order_and_the_right_end() {
        assert_eq!(
            verdict_of(End::Exit(0), &["the first", "x", "the second"]),
            Ok(())
        );
    }

    #[test]
    fn anything_else_fails() {
        let good = ["first", "second"];
        assert!(verdict_of(End::Exit(1), &good).is_err());
        assert!(verdict_of(End::Timeout(Duration::from_secs(1)), &good).is_err());
        assert!(verdict_of(End::Vanished("gone".into()), &good).is_err());
        assert!(verdict_of(End::Exit(0), &["first"]).is_err());
        assert!(verdict_of(End::Exit(0), &["first", "second", "never"]).is_err());
        assert!(
            verdict_of(End::Exit(0), &["second", "first"])
                .unwrap_err()
                .ends_with("after the others")
        );
    }
}
