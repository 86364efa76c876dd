//! `cargo xtask image`: makes what real machines boot from.
//!
//! x86_64: an ISO for CD and USB stick, by BIOS and by UEFI, with GRUB in front of the boot image.
//! aarch64: the boot image itself, which is a Linux `Image`.

use super::run::{build, default_arch, load};
use super::{THE_ARCH, Verb};
use crate::architecture::Architecture;
use crate::arguments::Arguments;
use crate::boot_image::{
    TEXT_MODULE, kernel_command_line, kernel_with_options, read, root_command_line, root_name,
    write_file,
};
use crate::build::Profile;
use crate::failure::{Context, Result, fail};
use crate::iso;
use crate::size;
use crate::system::{System, compile};
use crate::workspace::{Workspace, package_and_features, relative};
use ::boot_image::{Kind, Module, write};
use std::path::{Path, PathBuf};

pub(super) const VERB: Verb = Verb {
    name: "image",
    words: "SYSTEM",
    about: "makes what machines boot from: an ISO, on aarch64 a Linux Image",
    options: &[
        THE_ARCH,
        ("-o FILE", "where to write it"),
        (
            "--replace-config IMAGE",
            "builds nothing, copies IMAGE and lets it boot as SYSTEM says",
        ),
    ],
    run,
};

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    let workspace = Workspace::load()?;
    let system = load(&workspace, args.word("SYSTEM")?)?;
    let output = args.text("-o").map(PathBuf::from);
    let path = match args.text("--replace-config") {
        Some(image) => replace_config(&system, &workspace, Path::new(image), output)?,
        None => {
            let arch = args
                .architecture()?
                .unwrap_or_else(|| default_arch(&system));
            make(&system, &workspace, arch, output)?
        }
    };
    let bytes = std::fs::metadata(&path).context(|| path.display())?.len();
    println!("{} ({})", relative(&path).display(), size::show(bytes));
    Ok(())
}

/// Builds a system's image; its path.
pub(super) fn make(
    system: &System,
    workspace: &Workspace,
    arch: Architecture,
    output: Option<PathBuf>,
) -> Result<PathBuf> {
    let image = build(system, workspace, arch, Profile::Release)?;
    let output = output.unwrap_or_else(|| default_output(system, workspace, arch));
    match arch {
        Architecture::X86_64 => make_iso(&read(&image)?, system, &output)?,
        Architecture::Aarch64 => write_file(&output, &read(&image)?)?,
    }
    Ok(output)
}

fn default_output(system: &System, workspace: &Workspace, arch: Architecture) -> PathBuf {
    let end = match arch {
        Architecture::X86_64 => "iso",
        Architecture::Aarch64 => "Image",
    };
    workspace
        .output(arch)
        .join(format!("{}.{end}", system.file_name()))
}

fn make_iso(image: &[u8], system: &System, output: &Path) -> Result<()> {
    println!("Making the ISO image");
    iso::make(image, &system.name, output)
}

/// Swaps the description in an image: the programs stay.
pub(super) fn replace_config(
    system: &System,
    workspace: &Workspace,
    image: &Path,
    output: Option<PathBuf>,
) -> Result<PathBuf> {
    let file = read(image)?;
    // An ISO has its own mark in its 17th sector (ECMA-119 §8).
    let is_iso = file.get(0x8001..0x8006) == Some(b"CD001");
    let boot = if is_iso { iso::extract(image)? } else { file };
    let arch = if is_iso || boot.starts_with(b"\x7fELF") {
        Architecture::X86_64
    } else {
        Architecture::Aarch64
    };
    let archive = write::unpack(&boot).context(|| image.display())?;

    if !system.archs.contains(&arch) {
        fail!(
            "{} is for {arch}, system `{}` is not",
            image.display(),
            system.name
        );
    }
    let names: Vec<&str> = archive.modules().map(|module| module.name()).collect();
    if let Some(missing) = system
        .modules()
        .iter()
        .find(|module| !names.contains(&module.name.as_str()))
    {
        fail!(
            "{} holds no `{}`; make it anew without --replace-config",
            image.display(),
            missing.name
        );
    }
    let needed = system.ned();
    let is_enough = |name: &&str| {
        let (package, features) = package_and_features(name);
        let (ned, needed) = package_and_features(&needed);
        package == ned && needed.iter().all(|feature| features.contains(feature))
    };
    let is_rooted = archive
        .find(Kind::RootTask)
        .is_some_and(|root| root.name() == root_name(system));
    if !is_rooted {
        fail!(
            "{} has another root task than `{}`; make it anew without --replace-config",
            image.display(),
            root_name(system)
        );
    }
    if system.root.is_none() && !names.iter().any(is_enough) {
        fail!(
            "{} holds no `{needed}`; make it anew without --replace-config",
            image.display()
        );
    }
    let description = compile::compile(system)?;
    let kernel = archive
        .find(Kind::Kernel)
        .map(|kernel| kernel.data.to_vec());
    let kernel = kernel_with_options(kernel.unwrap_or_default(), system)?;
    let command_line = kernel_command_line(system);
    let root = root_command_line(system);
    let modules: Vec<Module<'_>> = archive
        .modules()
        .map(|module| match module.name() {
            "kernel" => Module {
                command_line: &command_line,
                data: &kernel,
                ..module
            },
            _ if module.kind == Kind::RootTask => Module {
                command_line: &root,
                ..module
            },
            system_description::MODULE_NAME => Module {
                data: &description,
                ..module
            },
            TEXT_MODULE => Module {
                data: system.source.text.as_bytes(),
                ..module
            },
            _ => module,
        })
        .collect();
    let replaced = write::replace(&boot, &modules).context(|| image.display())?;
    let output = output.unwrap_or_else(|| default_output(system, workspace, arch));
    if is_iso {
        make_iso(&replaced, system, &output)?
    } else {
        write_file(&output, &replaced)?
    }
    Ok(output)
}
