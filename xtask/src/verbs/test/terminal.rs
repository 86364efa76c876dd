//! What a person gets at a terminal: what is typed reaches the component at once, control-C stops the
//! system, and the terminal is afterwards as it was before.
//!
//! `script`, which every Debian has, plays the terminal.

use super::{Outcome, Report, run_cases, xtask};
use crate::architecture::Architecture;
use crate::failure::{Context, Result, fail};
use crate::workspace::Workspace;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Something that a person does once the component listens.
struct Case {
    typed: &'static str,
    /// What the console shows then.
    shows: &'static str,
    /// Exit status of `xtask run`.
    status: u8,
}

const CASES: [(&str, Case); 4] = [
    (
        "input",
        Case {
            typed: "Hello\rquit\r",
            shows: "you said: Hello",
            status: 0,
        },
    ),
    (
        "end of input",
        Case {
            typed: "Hello\r\u{4}",
            shows: "you said: Hello",
            status: 0,
        },
    ),
    (
        "control-C",
        Case {
            typed: "Hello\u{3}",
            shows: "system `echo` was stopped",
            status: 130,
        },
    ),
    (
        "control-A X",
        Case {
            typed: "\u{1}x",
            shows: "system `echo` was stopped",
            status: 130,
        },
    ),
];

/// Where the echo component listens.
const PROMPT: &str = "ready: ";

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) {
    run_cases(
        report,
        archs,
        selected,
        "terminal",
        &CASES,
        |case, arch| match has_script() {
            true => case.run(workspace, arch).map(|()| Outcome::Passed),
            false => Ok(Outcome::Skipped(
                "`script` of util-linux cannot make a terminal here".into(),
            )),
        },
    );
}

/// Whether `script` is there and can make a terminal.
fn has_script() -> bool {
    let script = Command::new("script")
        .args(["--quiet", "--return", "--command", "true", "/dev/null"])
        .stdin(Stdio::null())
        .output();
    script.is_ok_and(|output| output.status.success())
}

impl Case {
    fn run(&self, workspace: &Workspace, arch: Architecture) -> Result<()> {
        let xtask = xtask(workspace)?;
        // The terminal's settings before and after, and what xtask ends with.
        let commands = format!(
            "stty -g; {:?} run echo --arch {arch} --timeout 600; echo status $?; stty -g",
            xtask.get_program()
        );
        let mut terminal = Command::new("script")
            .args(["--quiet", "--command", &commands, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .current_dir(workspace.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context(|| "running script")?;
        let (Some(mut keys), Some(mut screen)) = (terminal.stdin.take(), terminal.stdout.take())
        else {
            fail!("a terminal without keys or screen");
        };
        let mut shown = vec![];
        let mut typed = false;
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..length]);
            if !typed && String::from_utf8_lossy(&shown).contains(PROMPT) {
                typed = true;
                keys.write_all(self.typed.as_bytes()).context(|| "typing")?;
                keys.flush().context(|| "typing")?;
            }
        }
        terminal.wait().context(|| "waiting for script")?;
        let shown = String::from_utf8_lossy(&shown);
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        let [before, .., status, after] = lines.as_slice() else {
            fail!("the terminal shows only:\n{shown}");
        };
        if *status != format!("status {}", self.status) || !shown.contains(self.shows) {
            fail!("the terminal shows:\n{shown}");
        }
        if before != after {
            fail!("the terminal's settings were {before}, and are {after} afterwards");
        }
        Ok(())
    }
}
