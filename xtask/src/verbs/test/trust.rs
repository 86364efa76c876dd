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
/// A system with a virtual machine, and most lines of its base: what is below stays below.
struct VirtualMachine {
    system: &'static str,
    component: &'static str,
    /// Of the monitor.
    program: usize,
    devices: usize,
    /// Own lines on x86_64, which has two kinds of virtual machines, and on aarch64.
    own: [usize; 2],
}

const MACHINES: [VirtualMachine; 2] = [
    VirtualMachine {
        system: "karma",
        component: "linux",
        program: 2_330,
        devices: 600,
        own: [36_470, 34_050],
    },
    VirtualMachine {
        system: "karma-alone",
        component: "karma-alone",
        program: 2_100,
        devices: 600,
        own: [27_250, 26_000],
    },
];
/// The packages of a monitor: the program, and what knows the processor's state of a guest.
const MONITOR: [&str; 2] = ["karma-vmm", "l4-guest"];
/// Most lines of all crates from elsewhere.
const MOST_CRATES: usize = 1_000;

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
        let mut run = |system: &str, check: &dyn Fn(&[Base]) -> Result<()>| {
            let name = format!("tcb {system} {arch}");
            if selected(&name) {
                report.run(&name, || {
                    check(&count(workspace, arch, system)?)?;
                    Ok(Outcome::Passed)
                });
            }
        };
        run(SYSTEM, &|bases| check(bases, workspace));
        for machine in MACHINES {
            run(machine.system, &|bases| check_machine(bases, &machine));
        }
    }
}

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

fn check_machine(bases: &[Base], machine: &VirtualMachine) -> Result<()> {
    let (system, component) = (machine.system, machine.component);
    let Some(base) = bases.iter().find(|base| base.component == component) else {
        fail!("{system} has no {component}");
    };
    let own = |part| base.lines(true, part).all;
    let files = base.files.iter().filter(|trusted| {
        trusted.part == Part::Program && MONITOR.contains(&trusted.file.package.as_str())
    });
    let monitor = files.map(|trusted| trusted.lines.all).sum();
    let crates = base.lines(false, None).all;
    let [most_on_x86_64, most_on_aarch64] = machine.own;
    let most_own = match base.arch {
        Architecture::X86_64 => most_on_x86_64,
        Architecture::Aarch64 => most_on_aarch64,
    };
    for (what, lines, most) in [
        ("the monitor", monitor, machine.program),
        (
            "the device models",
            own(Some(Part::Devices)),
            machine.devices,
        ),
        ("all own code", own(None), most_own),
    ] {
        if lines > most {
            fail!("{what} has {lines} lines, more than {most}");
        }
        if lines < most / 4 {
            fail!("{what} has only {lines} lines: what is missing?");
        }
    }
    if crates > MOST_CRATES {
        fail!("crates have {crates} lines, more than {MOST_CRATES}");
    }
    Ok(())
}
