//! Bad ends: `xtask run` must tell of each with an exit status that is not 0, and with one line.
//!
//! xtask is run as a program of its own here, so that what a person gets is what is tested.

use super::{Outcome, Report, run_cases, xtask};
use crate::architecture::Architecture;
use crate::failure::{Context, Result, fail};
use crate::workspace::Workspace;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// A way to fail.
struct Case {
    /// What `xtask run` is given, but for the architecture.
    arguments: &'static [&'static str],
    /// Whether the emulator is killed once a component runs.
    killed: bool,
    /// How the line begins that says why, and how it ends.
    says: (&'static str, &'static str),
}

const CASES: &[(&str, Case)] = &[
    (
        "kernel panic",
        Case {
            arguments: &["tests/failures/kernel-memory.toml", "--mem", "48M"],
            killed: false,
            says: (
                "system `kernel-memory` panicked: kernel: out of kernel memory at boot",
                ")",
            ),
        },
    ),
    (
        "component that fails for good",
        Case {
            arguments: &["tests/failures/crash.toml"],
            killed: false,
            says: (
                "system `crash` ended with exit code 1: component `crash` failed",
                "cannot go on without it",
            ),
        },
    ),
    (
        "test of which two threads panic",
        Case {
            arguments: &["tests/failures/test.toml"],
            killed: false,
            says: ("system `test` ended with exit code 1", ""),
        },
    ),
    (
        "timeout",
        Case {
            arguments: &["tests/failures/hang.toml", "--timeout", "5"],
            killed: false,
            says: ("system `hang` did not end within 5 seconds", ""),
        },
    ),
    (
        "end without a word",
        Case {
            arguments: &["tests/failures/silent.toml"],
            killed: false,
            says: (
                "system `silent` ended without saying `@brio exit`",
                "(QEMU: exit status: 0)",
            ),
        },
    ),
    (
        "killed emulator",
        Case {
            arguments: &["tests/failures/hang.toml"],
            killed: true,
            says: (
                "system `hang` ended without saying `@brio exit`",
                "(QEMU: signal: 9 (SIGKILL))",
            ),
        },
    ),
    (
        "bad configuration",
        Case {
            arguments: &["tests/configurations/broken/empty.toml"],
            killed: false,
            says: ("tests/configurations/broken/empty.toml:1:1: ", ""),
        },
    ),
    (
        "unknown system",
        Case {
            arguments: &["tests/failures/no-such.toml"],
            killed: false,
            says: ("tests/failures/no-such.toml:1:1: cannot be read", ""),
        },
    ),
];

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) {
    run_cases(report, archs, selected, "failure", CASES, |case, arch| {
        case.run(workspace, arch).map(|()| Outcome::Passed)
    });
}

impl Case {
    fn run(&self, workspace: &Workspace, arch: Architecture) -> Result<()> {
        let mut child = xtask(workspace)?
            .args(["run", "--arch", arch.name()])
            .args(self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| "running xtask")?;
        let id = child.id();
        if let Some(stdout) = child.stdout.take() {
            let lines = BufReader::new(stdout)
                .lines()
                .map_while(std::io::Result::ok);
            for line in lines {
                if self.killed && line.contains(" | ") {
                    kill_children(id)?;
                }
            }
        }
        let output = child.wait_with_output().context(|| "waiting for xtask")?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            fail!("xtask's exit status is 0; it said:\n{said}");
        }
        // Before it come messages of cargo and the line that says what is booted, after it what to do.
        let why: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("system `") || line.contains(".toml:"))
            .collect();
        match why.as_slice() {
            [line] if line.starts_with(self.says.0) && line.ends_with(self.says.1) => Ok(()),
            _ => fail!("xtask did not say in one line what it should; it said:\n{said}"),
        }
    }
}

/// Kills the processes that this one has started.
fn kill_children(parent: u32) -> Result<()> {
    let processes = std::fs::read_dir("/proc").context(|| "reading /proc")?;
    for process in processes.flatten() {
        // proc(5): number, name in parentheses, state, parent.
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        if after_name.split_whitespace().nth(1) != Some(&parent.to_string()) {
            continue;
        }
        let command = format!("kill -9 {}", process.file_name().display());
        let status = Command::new("sh").args(["-c", &command]).status();
        if !status.context(|| "running sh")?.success() {
            fail!("`{command}` failed");
        }
    }
    Ok(())
}
