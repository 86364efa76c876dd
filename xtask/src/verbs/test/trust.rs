//! What `cargo xtask tcb` counts: for the smallest system, what the compiler read, and nothing of tests; for a
//! virtual machine, no more than it may.

use super::{Outcome, Report, xtask};
use crate::architecture::Architecture;
use crate::build::{Builder, OptionsBlock, Profile};
use crate::failure::{Context, Result, fail};
use crate::tcb::{Base, Counter, Part};
use crate::temporary::Temporary;
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
        program: 2_350,
        devices: 600,
        own: [36_700, 34_300],
    },
    VirtualMachine {
        system: "karma-alone",
        component: "karma-alone",
        program: 2_100,
        devices: 600,
        own: [27_400, 26_000],
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
        run(SYSTEM, &|bases| {
            check(bases, workspace)?;
            bases
                .iter()
                .try_for_each(|base| check_verb(base, workspace))
        });
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

/// What `xtask tcb` says of the component: it judges, writes and explains the lines that were counted.
fn check_verb(base: &Base, workspace: &Workspace) -> Result<()> {
    let folder = Temporary::new("tcb")?;
    let (csv, chart) = (folder.path().join("csv"), folder.path().join("svg"));
    let tcb = |options: &[&str]| -> Result<(bool, String, String)> {
        let mut command = xtask(workspace)?;
        command.args(["tcb", &base.system, "--arch", base.arch.name(), "-o"]);
        command.arg(&chart).args(options);
        let output = command.output().context(|| "running xtask")?;
        let [said, why] = [output.stdout, output.stderr].map(|text| {
            let text = String::from_utf8_lossy(&text);
            text.into_owned()
        });
        Ok((output.status.success(), said, why))
    };
    let (name, own) = (&base.component, base.lines(true, None).all);
    let (most, less) = (own.to_string(), (own - 1).to_string());
    let (fits, explained, why) = tcb(&["--explain", name, "--max", &most])?;
    if !fits {
        fail!("`--max {most}` refuses {own} lines: {why}");
    }
    let has_row = |name: &str, lines: usize| {
        let lines = lines.to_string();
        explained.lines().any(|row| {
            let mut words = row.split_whitespace();
            words.next() == Some(name) && words.next() == Some(&lines)
        })
    };
    for trusted in base.files.iter().filter(|trusted| trusted.file.is_own) {
        let path = (trusted.file.path).strip_prefix(workspace.root());
        let path = path.unwrap_or(&trusted.file.path).to_string_lossy();
        if !has_row(&path, trusted.lines.all) {
            fail!("`--explain {name}` has no row for {path}:\n{explained}");
        }
    }
    if !has_row("own", own) {
        fail!("`--explain {name}` has no sum of {own} lines:\n{explained}");
    }
    let path = csv.to_string_lossy();
    let (fits, table, why) = tcb(&["--csv", &path, "--max", &less])?;
    if fits || !why.contains(&format!("`{name}` trusts {own} lines, more than {less}")) {
        fail!("`--max {less}` accepts {own} lines: {why}");
    }
    if !table.starts_with("component ") {
        fail!("without `--explain` there is no table:\n{table}");
    }
    let written = std::fs::read_to_string(&csv).context(|| "reading the figures")?;
    for part in Part::ALL {
        let (own, crates) = (
            base.lines(true, Some(part)).all,
            base.lines(false, Some(part)).all,
        );
        let row = [&base.system, base.arch.name(), name, part.name()].join(",");
        let row = written.lines().find_map(|line| line.strip_prefix(&row));
        let numbers: Vec<&str> = row.unwrap_or_default().split(',').collect();
        // Behind own lines and those of crates come parts of them.
        if numbers.len() != 7 || numbers[1] != own.to_string() || numbers[4] != crates.to_string() {
            fail!("`--csv` has other figures of {}:\n{written}", part.name());
        }
    }
    match tcb(&["--explain", "nobody"])? {
        (false, _, why) if why.contains("no component is called `nobody`") => Ok(()),
        (_, _, why) => fail!("`--explain nobody` explains somebody: {why}"),
    }
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
