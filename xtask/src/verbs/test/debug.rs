//! `xtask debug`, and with it what no system can bring about by itself: a kernel that does what the
//! processor refuses.
//!
//! gdb stops the kernel at its first system call and puts an undefined instruction there.

use super::{Outcome, Report, xtask};
use crate::architecture::Architecture;
use crate::boot_image::{read, write_file};
use crate::failure::{Context, Result, fail};
use crate::temporary::Temporary;
use crate::workspace::Workspace;
use std::process::Stdio;
use std::time::Instant;

/// The system that is booted.
const SYSTEM: &str = "hello";

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    for &arch in archs {
        let name = format!("debug a kernel that faults {arch}");
        if !selected(&name) {
            continue;
        }
        println!("Debugger on {arch}");
        let start = Instant::now();
        let outcome = match kernel_fault(workspace, arch) {
            Ok(()) => Outcome::Passed,
            Err(failure) => Outcome::Failed(failure.to_string()),
        };
        report.add(&name, &outcome, start.elapsed());
    }
    Ok(())
}

/// gdb's commands.
fn script(arch: Architecture) -> String {
    let undefined = match arch {
        Architecture::X86_64 => "set {unsigned short}$pc = 0x0b0f",
        Architecture::Aarch64 => "set {unsigned int}$pc = 0",
    };
    format!("set language c\nhbreak brio_syscall\ncontinue\n{undefined}\ndelete\ncontinue\n")
}

fn kernel_fault(workspace: &Workspace, arch: Architecture) -> Result<()> {
    let folder = Temporary::new("debug")?;
    let commands = folder.path().join("commands");
    write_file(&commands, script(arch).as_bytes())?;
    let output = xtask(workspace)?
        .args(["debug", SYSTEM, "--arch", arch.name(), "-x"])
        .arg(&commands)
        .stdin(Stdio::null())
        .output()
        .context(|| "running xtask")?;
    let shown = String::from_utf8_lossy(&output.stdout);
    // The kernel's symbols are there, and with them the place in its source.
    if !shown.contains("Breakpoint 1, brio_syscall () at microkernel/machine/src/") {
        fail!("gdb did not stop the kernel where it was told; it said:\n{shown}");
    }
    let log = workspace
        .output(arch)
        .join("logs")
        .join(format!("{SYSTEM}-debug.log"));
    let console = String::from_utf8_lossy(&read(&log)?).into_owned();
    let panics = console
        .lines()
        .filter(|line| line.starts_with("@brio panic kernel: "));
    let backtraces = console
        .lines()
        .filter(|line| line.starts_with("backtrace kernel 0x"));
    if (panics.count(), backtraces.count()) != (1, 1) || console.contains("@brio exit") {
        fail!(
            "the kernel did not say in one line what went wrong, and from where; the console:\n{console}"
        );
    }
    // gdb says so when the machine was turned off.
    if !shown.contains("exited normally") {
        fail!("the machine stayed on; gdb said:\n{shown}");
    }
    Ok(())
}
