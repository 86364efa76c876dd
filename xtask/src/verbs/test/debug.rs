//! `xtask debug`: what its commands show of a system's threads, and what no system can bring about by
//! itself, a kernel that does what the processor refuses.
//!
//! For that gdb stops the kernel at its first system call and puts an undefined instruction there.

use super::{Outcome, Report, run_cases, xtask};
use crate::architecture::Architecture;
use crate::boot_image::{read, write_file};
use crate::failure::{Context, Result, fail};
use crate::temporary::Temporary;
use crate::workspace::Workspace;
use std::process::Stdio;

type Test = fn(&Workspace, Architecture) -> Result<()>;

const TESTS: [(&str, Test); 2] = [("a kernel that faults", kernel_fault), ("threads", threads)];

/// The system whose kernel is made to fault.
const SYSTEM: &str = "hello";

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) {
    run_cases(report, archs, selected, "debug", &TESTS, |test, arch| {
        test(workspace, arch).map(|()| Outcome::Passed)
    });
}

/// gdb's commands.
fn script(arch: Architecture) -> String {
    let undefined = match arch {
        Architecture::X86_64 => "set {unsigned short}$pc = 0x0b0f",
        Architecture::Aarch64 => "set {unsigned int}$pc = 0",
    };
    format!("set language c\nhbreak brio_syscall\ncontinue\n{undefined}\ndelete\ncontinue\n")
}

/// Runs gdb's commands on a system; what it shows.
pub(super) fn gdb(
    workspace: &Workspace,
    system: &str,
    arch: Architecture,
    script: &str,
) -> Result<String> {
    gdb_on(workspace, system, arch, 1, script)
}

/// As [`gdb`], on a machine with several CPUs.
fn gdb_on(
    workspace: &Workspace,
    system: &str,
    arch: Architecture,
    cpus: u32,
    script: &str,
) -> Result<String> {
    let folder = Temporary::new("debug")?;
    let commands = folder.path().join("commands");
    write_file(&commands, script.as_bytes())?;
    let output = xtask(workspace)?
        .args(["debug", system, "--arch", arch.name()])
        .args(["--smp", &cpus.to_string(), "-x"])
        .arg(&commands)
        .stdin(Stdio::null())
        .output()
        .context(|| "running xtask")?;
    // What QEMU's monitor says to gdb comes last, by the other stream.
    let shown = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&shown).into_owned())
}

/// What a system has said when gdb has ended.
pub(super) fn console(workspace: &Workspace, system: &str, arch: Architecture) -> Result<String> {
    let log = workspace
        .output(arch)
        .join("logs")
        .join(format!("{system}-debug.log"));
    Ok(String::from_utf8_lossy(&read(&log)?).into_owned())
}

/// A server that waits for the next call when ned is about to turn the machine off; the other CPU has nothing to do.
const THREADS: &str = "hbreak kernel::object::platform_control::invoke\ncontinue\n\
    brio threads\nbrio tasks\nbrio cpus\nbrio caps server\nbrio thread server\n\
    brio thread ned\n";

fn threads(workspace: &Workspace, arch: Architecture) -> Result<()> {
    let shown = gdb_on(workspace, "pingpong", arch, 2, THREADS)?;
    let mut lines = shown.lines();
    for expected in [
        &["sigma0", "Receive(Anyone)"][..],
        &["server", "0   10  Receive(Anyone)"],
        &["server", "pingpong-server"],
        &["CPU 0: thread #"],
        &["CPU 1: idle"],
        &["capabilities of task", "server"],
        &["rights", "Task", "server"],
        &["rights", "IpcGate", "ping"],
        &["thread #", "server: Receive(Anyone)"],
        &["backtrace pingpong-server 0x"],
        &["component::start", " at l4re/rt/src/component/mod.rs:"],
        &["thread #", "ned: ready or runs"],
        &["backtrace ned 0x"],
        &["Console::end_system", " at servers/ned/src/console.rs:"],
    ] {
        if !lines.any(|line| expected.iter().all(|part| line.contains(part))) {
            fail!("gdb shows no line with {expected:?} after the others, but:\n{shown}");
        }
    }
    Ok(())
}

fn kernel_fault(workspace: &Workspace, arch: Architecture) -> Result<()> {
    let shown = gdb(workspace, SYSTEM, arch, &script(arch))?;
    // The kernel's symbols are there, and with them the place in its source: that of the function or of what
    // is inlined into it.
    let stopped = shown.lines().any(|line| {
        line.starts_with("Breakpoint 1, ")
            && line.contains("syscall (")
            && line.contains(" at microkernel/")
    });
    if !stopped {
        fail!("gdb did not stop the kernel where it was told; it said:\n{shown}");
    }
    let console = console(workspace, SYSTEM, arch)?;
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
