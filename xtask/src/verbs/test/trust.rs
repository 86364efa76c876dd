//! What `cargo xtask tcb` counts for the smallest system: what the compiler read, and nothing of tests.

use super::{Outcome, Report};
use crate::architecture::Architecture;
use crate::build::{Builder, OptionsBlock, Profile};
use crate::failure::{Result, fail};
use crate::tcb::{Base, Counter, Part};
use crate::verbs::run::load;
use crate::workspace::Workspace;

const SYSTEM: &str = "hello";

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
        let name = format!("tcb {SYSTEM} {arch}");
        if selected(&name) {
            report.run(&name, || check(workspace, arch).map(|()| Outcome::Passed));
        }
    }
}

fn check(workspace: &Workspace, arch: Architecture) -> Result<()> {
    let mut counter = Counter::new(Builder {
        workspace,
        arch,
        profile: Profile::Checked,
        options_block: OptionsBlock::V5,
    });
    let bases = counter.count(&load(workspace, SYSTEM)?)?;
    let [base] = bases.as_slice() else {
        fail!("{SYSTEM} has one component, not {}", bases.len());
    };
    let paths: Vec<String> = (base.files.iter())
        .filter(|trusted| trusted.file.is_own)
        .map(|trusted| trusted.file.path.to_string_lossy().into_owned())
        .collect();
    for trusted in TRUSTED.map(|name| name.replace("{arch}", arch.name())) {
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
    // Only the machine has assembler in the kernel, and only crates from elsewhere are no own lines.
    let (kernel, crates) = (
        base.lines(true, Some(Part::Kernel)),
        base.lines(false, None),
    );
    if kernel.assembler == 0 || kernel.unsafe_code < kernel.assembler || crates.all == 0 {
        fail!("unsafe code, assembler or crates are not counted");
    }
    Ok(())
}
