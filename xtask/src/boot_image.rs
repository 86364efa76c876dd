//! Packing a system into the one file that boots.

use crate::build::{Builder, Purpose};
use crate::failure::{Context, Result, fail};
use crate::guests;
use crate::system::{FileContent, System, compile};
use ::boot_image::{Kind, Module, options, write};
use l4_loader::Elf;
use std::path::{Path, PathBuf};

/// Name of the boot module that holds the configuration file's text, for people who look.
pub const TEXT_MODULE: &str = "system.toml";

/// Builds nothing: packs what was built. Returns the image's path.
pub fn pack(system: &System, builder: &Builder<'_>) -> Result<PathBuf> {
    let root = root_name(system);
    let kernel = program(&builder.kernel(system.kernel))?;
    let mut modules = vec![
        (
            Kind::Kernel,
            kernel_command_line(system),
            kernel_with_options(kernel, system)?,
        ),
        (
            Kind::Sigma0,
            "sigma0".into(),
            program(&builder.program("sigma0"))?,
        ),
    ];
    if system.root.is_none() {
        modules.push((
            Kind::RootTask,
            root_command_line(system),
            program(&builder.program("moe"))?,
        ));
        modules.push((
            Kind::Ordinary,
            system.ned(),
            program(&builder.program(&system.ned()))?,
        ));
    }
    for module in system.modules() {
        let kind = if module.name == root {
            Kind::RootTask
        } else {
            Kind::Ordinary
        };
        let content = match &module.content {
            FileContent::Package(package) => program(&builder.program(package))?,
            FileContent::Path(path) => read(&system.file_path(path, builder.arch))?,
            FileContent::Guest(guest) => {
                read(&guests::file(builder.workspace, *guest, builder.arch)?)?
            }
        };
        let command_line = match kind {
            Kind::RootTask => root_command_line(system),
            _ => module.name,
        };
        modules.push((kind, command_line, content));
    }
    modules.push((
        Kind::Ordinary,
        system_description::MODULE_NAME.into(),
        compile::compile(system)?,
    ));
    modules.push((
        Kind::Ordinary,
        TEXT_MODULE.into(),
        system.source.text.clone().into_bytes(),
    ));

    let modules: Vec<Module<'_>> = modules
        .iter()
        .map(|(kind, command_line, data)| Module {
            kind: *kind,
            command_line,
            data,
        })
        .collect();
    let bootstrap = program(&builder.program("bootstrap"))?;
    let image = write::pack(&bootstrap, &modules)
        .context(|| format!("packing the boot image of `{}`", system.name))?;
    let path = builder
        .workspace
        .output(builder.arch)
        .join("images")
        .join(system.file_name());
    write_file(&path, &image)?;
    Ok(path)
}

/// The kernel, with the options that the system has for it.
pub fn kernel_with_options(mut kernel: Vec<u8>, system: &System) -> Result<Vec<u8>> {
    let line = kernel_command_line(system);
    options::fill(&mut kernel, line.split(' ').skip(1))
        .context(|| format!("the kernel of `{}`", system.name))?;
    Ok(kernel)
}

/// The kernel's name and options (abi/07 §1).
pub fn kernel_command_line(system: &System) -> String {
    let mut line = String::from("kernel");
    if let Some(bytes) = &system.kernel_memory {
        line += &format!(" -kmemsize={}", bytes.get_ref() >> 10);
    }
    line += match system.isolate {
        Some(true) => " -isolate=on",
        Some(false) => " -isolate=off",
        None => "",
    };
    line += match system.kernel.purpose {
        Purpose::Plain | Purpose::Trace | Purpose::Measure => "",
        Purpose::Debugger => " -serial_esc",
        Purpose::Gdb => " -nojdb",
    };
    line
}

/// The root task's name.
pub fn root_name(system: &System) -> String {
    let root = system.root.as_ref();
    root.map_or("moe".into(), |program| program.module().name)
}

/// The same, and its arguments.
pub fn root_command_line(system: &System) -> String {
    let mut line = root_name(system);
    for argument in &system.root_args {
        line += " ";
        line += argument.get_ref();
    }
    line
}

pub fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).context(|| format!("creating {}", folder.display()))?;
    }
    std::fs::write(path, content).context(|| format!("writing {}", path.display()))
}

pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).context(|| format!("reading {}", path.display()))
}

/// A program without what only debuggers read.
pub fn program(path: &Path) -> Result<Vec<u8>> {
    let mut file = read(path)?;
    let elf = Elf::parse(&file).context(|| path.display())?;
    let end = elf
        .program_headers()
        .map(|header| header.offset.saturating_add(header.file_size))
        .max();
    let Some(end) = end.and_then(|end| usize::try_from(end).ok()) else {
        fail!("{}: nothing to load", path.display());
    };
    strip(&mut file, end);
    Ok(file)
}

/// Cuts an ELF file after its last segment, and with it the section headers out of the ELF header
/// (System V ABI, ELF-64: e_shoff at 40, e_shentsize, e_shnum and e_shstrndx from 58).
fn strip(file: &mut Vec<u8>, end: usize) {
    file.truncate(end.max(64));
    for field in [40..48, 58..64] {
        if let Some(field) = file.get_mut(field) {
            field.fill(0);
        }
    }
}
