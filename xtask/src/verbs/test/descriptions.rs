//! Boot images whose system description is not as it should be: ned must say so in one line.

use super::boots::{Boot, run_all};
use super::{Outcome, Report};
use crate::architecture::Architecture;
use crate::boot_image::{read, write_file};
use crate::build::Profile;
use crate::failure::{Context, Result};
use crate::qemu::Machine;
use crate::system::{System, Test};
use crate::verbs::run::{build, load};
use crate::workspace::Workspace;
use ::boot_image::{Module, write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use system_description::MODULE_NAME;

/// The system whose description is spoiled.
const SYSTEM: &str = "hello";

/// A way to spoil a description, and a part of what ned says about it.
struct Damage {
    name: &'static str,
    spoil: fn(&mut Vec<u8>),
    says: &'static str,
}

const DAMAGES: [Damage; 5] = [
    Damage {
        name: "flipped bit",
        spoil: |bytes| {
            bytes
                .iter_mut()
                .skip(40)
                .take(1)
                .for_each(|byte| *byte ^= 4)
        },
        says: "checksum does not match",
    },
    Damage {
        name: "cut short",
        spoil: |bytes| bytes.truncate(bytes.len() / 2),
        says: "is cut short",
    },
    Damage {
        name: "another version",
        spoil: |bytes| bytes[8] = 200,
        says: "format version 200",
    },
    Damage {
        name: "another file",
        spoil: |bytes| *bytes = b"[system]\nends_when = \"hello\"\n".to_vec(),
        says: "not a system description",
    },
    Damage {
        name: "empty",
        spoil: Vec::clear,
        says: "ned: ",
    },
];

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let system = load(workspace, SYSTEM)?;
    for &arch in archs {
        let name = |damage: &Damage| format!("description {} {arch}", damage.name);
        let damages: Vec<&Damage> = DAMAGES
            .iter()
            .filter(|damage| selected(&name(damage)))
            .collect();
        if damages.is_empty() {
            continue;
        }
        println!("Damaged descriptions on {arch}");
        let image = build(&system, workspace, arch, Profile::Checked)?;
        let mut boots = vec![];
        for damage in damages {
            match spoil(&image, damage) {
                Ok(image) => boots.push(boot(&system, arch, image, damage, name(damage))),
                Err(failure) => {
                    let outcome = Outcome::Failed(failure.to_string());
                    report.add(&name(damage), &outcome, Duration::ZERO);
                }
            }
        }
        run_all(workspace, report, &boots);
    }
    Ok(())
}

fn boot(
    system: &System,
    arch: Architecture,
    image: PathBuf,
    damage: &Damage,
    name: String,
) -> Boot {
    let machine = Machine::new(system, arch, image);
    Boot {
        name,
        machine,
        test: Test {
            panic: Some(damage.says.into()),
            ..Test::default()
        },
    }
}

/// A copy of the image with a damaged description.
fn spoil(image: &Path, damage: &Damage) -> Result<PathBuf> {
    let bytes = read(image)?;
    let archive = write::unpack(&bytes).context(|| image.display())?;
    let mut description = vec![];
    let modules: Vec<Module<'_>> = archive.modules().collect();
    if let Some(module) = modules.iter().find(|module| module.name() == MODULE_NAME) {
        description.extend(module.data);
    }
    (damage.spoil)(&mut description);
    let modules: Vec<Module<'_>> = modules
        .into_iter()
        .map(|module| match module.name() {
            MODULE_NAME => Module {
                data: &description,
                ..module
            },
            _ => module,
        })
        .collect();
    let spoiled = write::replace(&bytes, &modules).context(|| image.display())?;
    let path = image.with_file_name(format!("{SYSTEM}-{}", damage.name.replace(' ', "-")));
    write_file(&path, &spoiled)?;
    Ok(path)
}
