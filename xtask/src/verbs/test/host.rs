//! The tests that run on the host: `cargo test` of the workspace's default members.

use super::Report;
use crate::cargo;
use crate::failure::{Context, Result};
use crate::workspace::Workspace;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Test programs that are built in one way.
struct Suite {
    name: &'static str,
    /// What cargo tests, and where it builds that.
    arguments: &'static [&'static str],
    flags: Option<&'static str>,
    /// Which tests.
    filter: &'static [&'static str],
    /// Only with `--long`.
    long: bool,
}

const SUITES: [Suite; 4] = [
    Suite {
        name: "Host tests",
        arguments: &[],
        flags: None,
        filter: &[],
        long: false,
    },
    // What takes fast paths otherwise, on the whole way.
    Suite {
        name: "Host tests without fast paths",
        arguments: &["-p", "kernel", "--lib", "--no-default-features"],
        flags: None,
        filter: &["fault::", "ipc::", "object::task", "object::thread"],
        long: false,
    },
    // What CPUs share, in every order in which two of them may get on.
    Suite {
        name: "Loom tests",
        arguments: &["-p", "machine", "--lib", "--target-dir", "target/loom"],
        flags: Some("--cfg loom"),
        filter: &["loom"],
        long: false,
    },
    // Those that are ignored because they take long, one after the other.
    Suite {
        name: "Long host tests",
        arguments: &["-p", "kernel", "--lib", "--profile", "checked"],
        flags: None,
        filter: &["--ignored", "--test-threads=1"],
        long: true,
    },
];

pub(super) fn run(workspace: &Workspace, report: &mut Report, long: bool) -> Result<()> {
    let mut suites = SUITES.iter().filter(|suite| long || !suite.long);
    suites.try_for_each(|suite| run_suite(suite, workspace, report))
}

fn run_suite(suite: &Suite, workspace: &Workspace, report: &mut Report) -> Result<()> {
    println!("{}", suite.name);
    let test = |arguments: &[&str]| {
        let mut command = cargo::command(workspace.root());
        command.arg("test").args(suite.arguments).args(arguments);
        if let Some(flags) = suite.flags {
            command.env("RUSTFLAGS", flags);
        }
        command
    };
    // First build, with cargo's own progress; then run, counting.
    if !cargo::run(test(&["--no-run"]))? {
        report.add_counts(0, vec![format!("building: {}", suite.name)], 0);
        return Ok(());
    }
    let mut child = test(&["--no-fail-fast", "--quiet", "--", "--format=pretty"])
        .args(suite.filter)
        .stdout(Stdio::piped())
        .spawn()
        .context(|| "running cargo")?;
    let mut counts = Counts::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            counts.line(&line);
        }
    }
    let status = child.wait().context(|| "waiting for cargo")?;
    if !status.success() && counts.failed.is_empty() {
        // A test that takes its process down has no line of its own.
        counts
            .failed
            .push(format!("{}: a program that ended early", suite.name));
    }
    if !counts.failed.is_empty() {
        counts
            .details
            .iter()
            .for_each(|line| println!("      {line}"));
    }
    println!("      {} passed", counts.passed);
    report.add_counts(counts.passed, counts.failed, counts.ignored);
    Ok(())
}

/// What the lines of test programs say.
#[derive(Default)]
struct Counts {
    passed: usize,
    failed: Vec<String>,
    ignored: usize,
    /// All other lines: what failing tests printed.
    details: Vec<String>,
}

impl Counts {
    fn line(&mut self, line: &str) {
        let result = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "));
        match result {
            Some((_, "ok")) => self.passed += 1,
            Some((name, "FAILED")) => self.failed.push(format!("host {name}")),
            Some((_, ignored)) if ignored.starts_with("ignored") => self.ignored += 1,
            _ if line.starts_with("test result: ok") || line.starts_with("running ") => {}
            _ if line.is_empty() => {}
            _ => self.details.push(line.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn lines_of_test_programs_are_counted() {
        let mut counts = Counts::default();
        let output = "running 3 tests\ntest a::b ... ok\ntest c - should panic ... ok\n\
                      test d ... FAILED\ntest e ... ignored, slow\ntest f.rs - g (line 8) ... ok\n\
                      thread 'd' panicked\ntest result: FAILED. 1 passed";
        output.lines().for_each(|line| counts.line(line));
        assert_eq!((counts.passed, counts.ignored), (3, 1));
        assert_eq!(counts.failed, ["host d"]);
        assert_eq!(
            counts.details,
            ["thread 'd' panicked", "test result: FAILED. 1 passed"]
        );
    }
}
