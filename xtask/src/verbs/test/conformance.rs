//! Boot images that others made, with our kernel in the place of theirs; and systems of ours with
//! programs that others made. They are no part of the project: without `--images` there is nothing to
//! test, which is told and never counted as passed.

use super::boots::{Boot, run_all};
use super::{Outcome, Report, systems};
use crate::architecture::Architecture;
use crate::boot_image::{program, read, write_file};
use crate::build::{Builder, Kernel, OptionsBlock, Profile, Purpose};
use crate::failure::{Context, Result, fail};
use crate::l4re_image::swap_kernel;
use crate::qemu::{Machine, Medium};
use crate::system::foreign::{DESCRIPTION, ForeignImage};
use crate::system::source::Problems;
use crate::system::{System, check};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the names of these tests begin with.
const GROUP: &str = "conformance";
/// A system of ours: servers of ours, programs of others.
const SYSTEM: &str = "system.toml";

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    images: Option<&str>,
    long: bool,
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let Some(images) = images else {
        if selected(GROUP) {
            let why = "L4Re boot images are needed: `--images DIR` (docs/testing.md)";
            report.add(GROUP, &Outcome::Skipped(why.into()), Duration::ZERO);
        }
        return Ok(());
    };
    let (mut plans, mut ours) = (vec![], vec![]);
    for folder in folders(Path::new(images))? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{GROUP} {name}");
        let mut refuse = |problems: &Problems| {
            let lines: Vec<String> = problems.0.iter().map(|one| one.line()).collect();
            if selected(&name) {
                report.add(&name, &Outcome::Failed(lines.join("; ")), Duration::ZERO);
            }
        };
        let system = folder.join(SYSTEM);
        if system.exists() {
            let read = System::read(&system);
            match read.and_then(|system| check::check(&system, workspace).map(|()| system)) {
                Ok(system) => ours.push((format!("{name} on our servers"), system)),
                Err(problems) => refuse(&problems),
            }
            if !folder.join(DESCRIPTION).exists() {
                continue;
            }
        }
        match ForeignImage::read(&folder) {
            Ok(image) => plans.extend(boots(&name, &image)),
            Err(problems) => refuse(&problems),
        }
    }
    for &arch in archs {
        let mut of_arch = vec![];
        for (boot, file) in &plans {
            if boot.machine.arch != arch || !selected(&boot.name) {
                continue;
            }
            if boot.test.long && !long {
                let why = Outcome::Skipped("only with --long".into());
                report.add(&boot.name, &why, Duration::ZERO);
            } else {
                of_arch.push((boot, file.as_path()));
            }
        }
        if !of_arch.is_empty() {
            run_on(workspace, report, arch, &of_arch)?;
        }
        let of_arch = ours
            .iter()
            .filter(|(_, system)| system.archs.contains(&arch));
        let of_arch: Vec<_> = of_arch
            .map(|(name, system)| (name.clone(), system))
            .collect();
        systems::run_on(workspace, report, arch, &of_arch, long, selected)?;
    }
    Ok(())
}

fn run_on(
    workspace: &Workspace,
    report: &mut Report,
    arch: Architecture,
    plans: &[(&Boot, &Path)],
) -> Result<()> {
    println!("L4Re's images on {arch}, with our kernel");
    let builder = Builder {
        workspace,
        arch,
        profile: Profile::Checked,
        options_block: OptionsBlock::V5,
    };
    builder.build(&[] as &[&str], &[Kernel::whole(Purpose::Plain)])?;
    let kernel = program(&builder.kernel(Kernel::whole(Purpose::Plain)))?;
    let mut ready = vec![];
    for &(boot, file) in plans {
        let changed = builder
            .workspace
            .output(arch)
            .join("images")
            .join(format!("{}.image", boot.name.replace(['/', ' '], "-")));
        match swap(file, &kernel, &changed) {
            Ok(()) => ready.push(Boot {
                machine: Machine {
                    medium: Medium::Image(changed),
                    ..boot.machine.clone()
                },
                name: boot.name.clone(),
                test: boot.test.clone(),
            }),
            Err(failure) => {
                let why = Outcome::Failed(failure.to_string());
                report.add(&boot.name, &why, Duration::ZERO);
            }
        }
    }
    run_all(workspace, report, &ready);
    Ok(())
}

/// A copy of the image with another kernel.
fn swap(file: &Path, kernel: &[u8], changed: &Path) -> Result<()> {
    let mut image = read(file)?;
    swap_kernel(&mut image, kernel).context(|| file.display())?;
    write_file(changed, &image)
}

/// The folders with images in `images`, by name.
fn folders(images: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(images).context(|| format!("reading {}", images.display()))?;
    let folders = entries.flatten().map(|entry| entry.path());
    let mut folders: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    if folders.is_empty() {
        fail!(
            "{}: there is no folder with `{DESCRIPTION}` or `{SYSTEM}` in it (docs/testing.md)",
            images.display()
        );
    }
    Ok(folders)
}

/// The boots of an image: on each architecture, number of CPUs and interrupt controller. The medium is
/// still the image as it was made.
fn boots(name: &str, image: &ForeignImage) -> Vec<(Boot, PathBuf)> {
    let mut boots = vec![];
    for (arch, file) in &image.files {
        for machine in machines(image, *arch) {
            let mut name = format!("{name} {arch}");
            if image.test.smp.len() > 1 {
                name += &format!(" smp {}", machine.cpus);
            }
            if *arch == Architecture::Aarch64 && image.test.gic.len() > 1 {
                name += &format!(" gic {}", machine.gic);
            }
            let test = image.test.clone();
            boots.push((
                Boot {
                    name,
                    machine,
                    test,
                },
                file.clone(),
            ));
        }
    }
    boots
}

fn machines(image: &ForeignImage, arch: Architecture) -> Vec<Machine> {
    let gics: &[u64] = match arch {
        Architecture::X86_64 => &[3],
        Architecture::Aarch64 => &image.test.gic,
    };
    let machine = |cpus, gic| Machine {
        arch,
        medium: Medium::Image(PathBuf::new()),
        memory: image.memory,
        cpus,
        gic,
        el2: true,
        kvm: false,
        bochs: None,
        kernel: Kernel::whole(Purpose::Plain),
        extra: vec![],
    };
    let cpus = image.test.smp.iter();
    cpus.flat_map(|&cpus| gics.iter().map(move |&gic| machine(cpus, gic)))
        .collect()
}
