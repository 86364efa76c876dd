//! Images as `xtask image` makes them: by every firmware, with little and with much memory.

use super::boots::{Boot, run_all};
use super::{Outcome, Report};
use crate::architecture::Architecture;
use crate::failure::Result;
use crate::qemu::{Machine, Medium};
use crate::system::{System, Test};
use crate::verbs::image;
use crate::verbs::run::load;
use crate::workspace::Workspace;
use std::path::PathBuf;
use std::time::Duration;

/// The system that is booted.
const SYSTEM: &str = "hello";

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let system = load(workspace, SYSTEM)?;
    for &arch in archs {
        replaced(workspace, report, arch, selected)?;
        let mut boots = match arch {
            Architecture::X86_64 => x86_64(&system),
            Architecture::Aarch64 => aarch64(&system),
        };
        boots.retain(|(boot, _)| selected(&boot.name));
        if boots.is_empty() {
            continue;
        }
        println!("Images on {arch}");
        match image::make(&system, workspace, arch, None) {
            Ok(path) => {
                let boots = boots.into_iter().map(|(mut boot, medium)| {
                    boot.machine.medium = medium(path.clone());
                    boot
                });
                run_all(workspace, report, &boots.collect::<Vec<Boot>>());
            }
            Err(failure) => {
                for (boot, _) in boots {
                    report.add(
                        &boot.name,
                        &Outcome::Failed(failure.to_string()),
                        Duration::ZERO,
                    );
                }
            }
        }
    }
    Ok(())
}

/// A boot, and what it boots from once the image is there.
type Plan = (Boot, fn(PathBuf) -> Medium);

fn x86_64(system: &System) -> Vec<Plan> {
    let boot = |firmware: &str| Boot {
        name: format!("image {SYSTEM} x86_64 {firmware}"),
        machine: Machine::new(system, Architecture::X86_64, PathBuf::new()),
        test: system.test.clone(),
    };
    vec![(boot("bios"), Medium::Cd), (boot("uefi"), Medium::UefiCd)]
}

fn aarch64(system: &System) -> Vec<Plan> {
    let machine = Machine::new(system, Architecture::Aarch64, PathBuf::new());
    let mut plans: Vec<Plan> = vec![];
    for gic in [2, 3] {
        for (size, memory) in [("512M", 512 << 20), ("8G", 8 << 30)] {
            let boot = Boot {
                name: format!("image {SYSTEM} aarch64 gic {gic} {size}"),
                machine: Machine {
                    gic,
                    memory,
                    ..machine.clone()
                },
                test: system.test.clone(),
            };
            plans.push((boot, Medium::Image));
        }
    }
    let without_el2 = Boot {
        name: format!("image {SYSTEM} aarch64 without EL2"),
        machine: Machine {
            el2: false,
            ..machine
        },
        test: Test {
            panic: Some("virtualization=on".into()),
            ..Test::default()
        },
    };
    plans.push((without_el2, Medium::Image));
    plans
}

/// Systems, and others whose configuration their images get: only that changes.
const REPLACED: [[&str; 2]; 2] = [
    [
        "configs/pingpong.toml",
        "tests/configurations/seven-balls.toml",
    ],
    [
        "tests/system/root-error.toml",
        "tests/system/root-panic.toml",
    ],
];

fn replaced(
    workspace: &Workspace,
    report: &mut Report,
    arch: Architecture,
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    for [system, other] in REPLACED {
        let name = format!("image {arch} of {system} with its configuration replaced");
        if selected(&name) {
            boot_replaced(workspace, report, arch, name, [system, other])?;
        }
    }
    Ok(())
}

fn boot_replaced(
    workspace: &Workspace,
    report: &mut Report,
    arch: Architecture,
    name: String,
    systems: [&str; 2],
) -> Result<()> {
    let path = |system| workspace.root().join(system);
    let [system, other] = systems.map(|system| load(workspace, &path(system).to_string_lossy()));
    let other = other?;
    let medium = match arch {
        Architecture::X86_64 => Medium::Cd,
        Architecture::Aarch64 => Medium::Image,
    };
    let image = image::make(&system?, workspace, arch, None)
        .and_then(|image| image::replace_config(&other, workspace, &image, None));
    match image {
        Ok(image) => {
            let mut machine = Machine::new(&other, arch, PathBuf::new());
            machine.medium = medium(image);
            let test = other.test.clone();
            run_all(
                workspace,
                report,
                &[Boot {
                    name,
                    machine,
                    test,
                }],
            );
        }
        Err(failure) => report.add(&name, &Outcome::Failed(failure.to_string()), Duration::ZERO),
    }
    Ok(())
}
