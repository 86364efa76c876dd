//! What `cargo xtask tcb` counts: for the smallest system, what the compiler read, and nothing of tests; for a
//! virtual machine, no more than it may.

use super::{Outcome, Report};
use crate::architecture::Architecture;
use crate::build::{Builder, OptionsBlock, Profile};
use crate::failure::{Result, fail};
use crate::tcb::{Base, Counter, Part};
use crate::verbs::run::load;
use crate::workspace::Workspace;

const SYSTEM: &str = "hello";
/// A system with a virtual machine, the component that it is, and the packages of its monitor: the program, and what
/// knows the processor's state of a guest.
const MACHINE: (&str, &str, [&str; 2]) = ("karma", "linux", ["karma-vmm", "l4-guest"]);

/// Most lines of the parts of a virtual machine's base; what is below stays below.
const MOST_PROGRAM: usize = 2_300;
const MOST_DEVICES: usize = 600;
const MOST_OWN: usize = 36_450;
/// With all crates.
const MOST_ALL: usize = 36_450;

/// Files that are in everybody's base, on one architecture or on all; and what only tests have.
const TRUSTED: [&str; 4] = [
    "microkernel/kernel/src/syscall.rs",
    "microkernel/machine/src/{arch}/trap.rs",
    "l4re/sys/src/{arch}/mod.rs",
    "servers/moe/src/moe.rs",
];
const UNTRUSTED: [&str; 4] = ["/hosted/", "/testing/", "/tests", "xtask/"];

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) {
    for &arch in archs {
        let check: Check = check;
        for (system, check) in [(SYSTEM, check), (MACHINE.0, check_machine)] {
            let name = format!("tcb {system} {arch}");
            if selected(&name) {
                report.run(&name, || {
                    check(&count(workspace, arch, system)?, workspace)?;
                    Ok(Outcome::Passed)
                });
            }
        }
    }
}

/// Looks at the bases of a system.
type Check = fn(&[Base], &Workspace) -> Result<()>;

fn count(workspace: &Workspace, arch: Architecture, system: &str) -> Result<Vec<Base>> {
    let mut counter = Counter::new(Builder {
        workspace,
        arch,
        profile: Profile::Checked,
        options_block: OptionsBlock::V5,
    });
    counter.count(&load(workspace, system)?)
}

fn check(bases: &[Base], workspace: &Workspace) -> Result<()> {
    let [base] = bases else {
        fail!("{SYSTEM} has one component, not {}", bases.len());
    };
    let paths: Vec<String> = (base.files.iter())
        .filter(|trusted| trusted.file.is_own)
        .map(|trusted| trusted.file.path.to_string_lossy().into_owned())
        .collect();
    for trusted in TRUSTED.map(|name| name.replace("{arch}", base.arch.name())) {
        if paths.iter().filter(|path| path.ends_with(&trusted)).count() != 1 {
            fail!("{trusted} is not counted once");
        }
    }
    let root = workspace.root().to_string_lossy();
    for path in &paths {
        let inner = path.strip_prefix(&*root).unwrap_or(path);
        if UNTRUSTED.iter().any(|part| inner.contains(part)) {
            fail!("{inner} is counted");
        }
    }
    judge(base)
}

/// Figures that can be known without counting.
fn judge(base: &Base) -> Result<()> {
    let own = |part| base.lines(true, Some(part)).all;
    if own(Part::Program) >= 20 || own(Part::Servers) != 0 {
        fail!("{SYSTEM} is larger than it can be, or trusts servers");
    }
    // Only the machine has assembler in the kernel. Of crates from elsewhere only one is in everybody's
    // base, which reads device trees.
    let (kernel, crates) = (
        base.lines(true, Some(Part::Kernel)),
        base.lines(false, None),
    );
    let has_crates = base.arch == Architecture::Aarch64;
    if kernel.assembler == 0
        || kernel.unsafe_code < kernel.assembler
        || (crates.all > 0) != has_crates
    {
        fail!("unsafe code, assembler or crates are not counted");
    }
    Ok(())
}

fn check_machine(bases: &[Base], _: &Workspace) -> Result<()> {
    let (system, component, monitor) = MACHINE;
    let Some(base) = bases.iter().find(|base| base.component == component) else {
        fail!("{system} has no {component}");
    };
    let own = |part| base.lines(true, part).all;
    let files = base.files.iter().filter(|trusted| {
        trusted.part == Part::Program && monitor.contains(&trusted.file.package.as_str())
    });
    let core = files.map(|trusted| trusted.lines.all).sum();
    let all = own(None) + base.lines(false, None).all;
    for (what, lines, most) in [
        ("the monitor", core, MOST_PROGRAM),
        ("the device models", own(Some(Part::Devices)), MOST_DEVICES),
        ("all own code", own(None), MOST_OWN),
        ("own code and crates", all, MOST_ALL),
    ] {
        if lines > most {
            fail!("{what} has {lines} lines, more than {most}");
        }
        if lines < most / 4 {
            fail!("{what} has only {lines} lines: what is missing?");
        }
    }
    Ok(())
}
