//! The source's form: formatted, and without a warning of compiler or clippy on any target.

use super::{Outcome, Report};
use crate::architecture::Architecture;
use crate::cargo;
use crate::failure::{Context, Result};
use crate::setup::Core;
use crate::verbs::size;
use crate::workspace::{BASE, Workspace};
use std::process::Command;
use std::time::Instant;

/// What only kernels for people who look inside have.
const KERNEL_FEATURES: [&str; 2] = ["--features", "trace"];

/// A virtual machine that is alone, with a kernel that has nothing which a system can do without.
const LEAST: [&str; 5] = [
    "--package",
    "kernel",
    "--package",
    "karma-alone",
    "--no-default-features",
];

/// Lines of a tool's messages that are shown.
const SHOWN_LINES: usize = 60;

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
) -> Result<()> {
    println!("Style");
    check(workspace, report, "style formatted", |command| {
        command.args(["fmt", "--all", "--check"]);
    })?;
    check(workspace, report, "style warnings host", |command| {
        command.args(["clippy", "--quiet", "--all-targets"]);
    })?;
    for &arch in archs {
        let start = Instant::now();
        let lines = size::kernel_lines(workspace, arch)?;
        let outcome = match lines <= size::LIMIT {
            true => Outcome::Passed,
            false => Outcome::Failed(format!("{lines} lines; `cargo xtask size` lists the parts")),
        };
        let name = format!(
            "style kernel and machine within {} lines {arch}",
            size::LIMIT
        );
        report.add(&name, &outcome, start.elapsed());
    }
    for &arch in archs {
        let core = Core::get(arch)?;
        let kernel = |command: &mut Command| {
            command.args(["clippy", "--quiet", "--target", arch.target()]);
            command.arg("--target-dir");
            command.arg(workspace.build_folder("style"));
            command.args(["--package", "kernel"]).args(KERNEL_FEATURES);
            command.args(core.arguments()).envs(core.environment());
        };
        let name = format!("style warnings {arch}, debugger and traces");
        check(workspace, report, &name, kernel)?;
        check(
            workspace,
            report,
            &format!("style warnings {arch}"),
            |command| {
                command.args([
                    "clippy",
                    "--quiet",
                    "--target",
                    arch.target(),
                    "--target-dir",
                ]);
                command.arg(workspace.build_folder("style"));
                let packages = workspace.programs().into_iter().chain(BASE).chain(["ned"]);
                command.args(packages.flat_map(|package| ["--package", package]));
                command.args(core.arguments()).envs(core.environment());
            },
        )?;
        let least = |command: &mut Command| {
            command.args(["clippy", "--quiet", "--target", arch.target()]);
            command.arg("--target-dir");
            command.arg(workspace.build_folder("style"));
            command.args(LEAST);
            command.args(core.arguments()).envs(core.environment());
        };
        let name = format!("style warnings {arch}, the least kernel and monitor");
        check(workspace, report, &name, least)?;
        let featured = |command: &mut Command| {
            command.args(["clippy", "--quiet", "--target", arch.target()]);
            command.arg("--target-dir");
            command.arg(workspace.build_folder("style"));
            for package in workspace.programs().into_iter().chain(["ned"]) {
                let features = workspace.features(package);
                if !features.is_empty() {
                    command.args(["--package", package]);
                }
                for feature in features {
                    command
                        .arg("--features")
                        .arg(format!("{package}/{feature}"));
                }
            }
            command.args(core.arguments()).envs(core.environment());
        };
        let name = format!("style warnings {arch}, programs with all features");
        check(workspace, report, &name, featured)?;
    }
    Ok(())
}

/// Runs cargo; it passes if cargo succeeds and has nothing to say.
fn check(
    workspace: &Workspace,
    report: &mut Report,
    name: &str,
    prepare: impl FnOnce(&mut Command),
) -> Result<()> {
    let start = Instant::now();
    let mut command = cargo::command(workspace.root());
    prepare(&mut command);
    let output = command.output().context(|| "running cargo")?;
    if output.status.success() && output.stdout.is_empty() && output.stderr.is_empty() {
        report.add(name, &Outcome::Passed, start.elapsed());
        return Ok(());
    }
    report.add(name, &Outcome::Failed("see below".into()), start.elapsed());
    for text in [output.stdout, output.stderr] {
        let text = String::from_utf8_lossy(&text);
        text.lines()
            .take(SHOWN_LINES)
            .for_each(|line| println!("      {line}"));
    }
    Ok(())
}
