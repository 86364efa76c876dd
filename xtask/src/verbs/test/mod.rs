//! `cargo xtask test`: host tests, then every system on every architecture it is for.
//!
//! One line per test; the last line is exactly `N passed, N failed`, with `, N skipped` if some were.

mod boots;
mod captures;
mod conformance;
mod debug;
mod descriptions;
mod failures;
mod figures;
mod guided;
mod hardening;
mod host;
mod images;
mod new;
mod style;
mod systems;
mod terminal;
mod traces;
mod trust;

use super::{ONE_ARCH, Verb};
use crate::architecture::Architecture;
use crate::arguments::Arguments;
use crate::failure::{Context, Result, fail};
use crate::workspace::Workspace;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub(super) const VERB: Verb = Verb {
    name: "test",
    words: "[FILTER…]",
    about: "runs all tests, or those whose name contains a FILTER; `host` and `style` are the first",
    options: &[
        ONE_ARCH,
        ("--long", "also those that take long"),
        (
            "--images DIR",
            "L4Re boot images for the test `conformance`",
        ),
    ],
    run,
};

/// How one test ended.
enum Outcome {
    Passed,
    /// Why.
    Failed(String),
    /// Why.
    Skipped(String),
}

/// Counts and tells.
struct Report {
    passed: usize,
    failed: Vec<String>,
    skipped: usize,
    start: Instant,
}

impl Report {
    /// Runs one test.
    fn run(&mut self, name: &str, test: impl FnOnce() -> Result<Outcome>) {
        let start = Instant::now();
        let outcome = test().unwrap_or_else(|failure| Outcome::Failed(failure.to_string()));
        self.add(name, &outcome, start.elapsed());
    }

    /// Prints one test's line.
    fn add(&mut self, name: &str, outcome: &Outcome, time: Duration) {
        let seconds = format!("{:.1} s", time.as_secs_f64());
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                println!("pass  {name}  ({seconds})");
            }
            Outcome::Failed(why) => {
                self.failed.push(name.to_owned());
                println!("FAIL  {name}  ({seconds}): {why}");
            }
            Outcome::Skipped(why) => {
                self.skipped += 1;
                println!("skip  {name}: {why}");
            }
        }
    }

    /// Adds many of which only the failures are worth a line.
    fn add_counts(&mut self, passed: usize, failed: Vec<String>, skipped: usize) {
        self.passed += passed;
        self.skipped += skipped;
        failed.iter().for_each(|name| println!("FAIL  {name}"));
        self.failed.extend(failed);
    }
}

/// The last line.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed.len())?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    program()?;
    let workspace = Workspace::load()?;
    let filters = args.words();
    let selected =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    let mut report = Report {
        passed: 0,
        failed: vec![],
        skipped: 0,
        start: Instant::now(),
    };

    let archs = args
        .architecture()?
        .map_or(Architecture::ALL.to_vec(), |arch| vec![arch]);

    // Groups of tests that have names as a whole only.
    let group = |name: &str| filters.is_empty() || filters.iter().any(|filter| filter == name);
    if group("style") {
        style::run(&workspace, &mut report, &archs)?;
    }
    if group("host") {
        host::run(&workspace, &mut report, args.flag("--long"))?;
    }
    systems::run(
        &workspace,
        &mut report,
        &archs,
        args.flag("--long"),
        &selected,
    )?;
    descriptions::run(&workspace, &mut report, &archs, &selected)?;
    images::run(&workspace, &mut report, &archs, &selected)?;
    traces::run(&workspace, &mut report, &archs, &selected)?;
    figures::run(&workspace, &mut report, &archs, &selected);
    trust::run(&workspace, &mut report, &archs, &selected);
    captures::run(&workspace, &mut report, &archs, &selected);
    failures::run(&workspace, &mut report, &archs, &selected);
    terminal::run(&workspace, &mut report, &archs, &selected);
    debug::run(&workspace, &mut report, &archs, &selected);
    new::run(&workspace, &mut report, &selected);
    hardening::run(&workspace, &mut report, &archs, &selected)?;
    guided::run(&workspace, &mut report, args.flag("--long"), &selected)?;
    conformance::run(
        &workspace,
        &mut report,
        &archs,
        args.text("--images"),
        args.flag("--long"),
        &selected,
    )?;

    if report.passed + report.failed.len() + report.skipped == 0 {
        fail!("no test's name contains {}", filters.join(" or "));
    }
    println!("\nFinished in {} s", report.start.elapsed().as_secs());
    report
        .failed
        .iter()
        .for_each(|name| println!("failed: {name}"));
    println!("{report}");
    match report.failed.len() {
        0 => Ok(()),
        // The last line of standard output must stay the count.
        failed => fail!("{failed} of {} tests failed", report.passed + failed),
    }
}

/// Runs those of a group's cases that are selected, on each architecture; a test is called after its group, case and
/// architecture.
fn run_cases<C>(
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
    group: &str,
    cases: &[(&'static str, C)],
    run: impl Fn(&C, Architecture) -> Result<Outcome>,
) {
    for &arch in archs {
        for (case, what) in cases {
            let name = format!("{group} {case} {arch}");
            if selected(&name) {
                report.run(&name, || run(what, arch));
            }
        }
    }
}

/// xtask as people run it, in the project's folder.
fn xtask(workspace: &Workspace) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.current_dir(workspace.root());
    Ok(command)
}

/// The file of this program. It is looked for once: Linux calls a running program's file deleted when another took its
/// place, as cargo's does when tests have it built anew.
fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    if let Some(program) = PROGRAM.get() {
        return Ok(program);
    }
    let program = std::env::current_exe().context(|| "looking for xtask itself")?;
    Ok(PROGRAM.get_or_init(|| program))
}
