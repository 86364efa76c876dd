//! `cargo xtask size`: how large the parts are that everything else has to trust.

use super::Verb;
use crate::architecture::Architecture;
use crate::arguments::Arguments;
use crate::boot_image::read;
use crate::build::{Kernel, Purpose, kernel_path};
use crate::code_lines;
use crate::failure::{Context, Result};
use crate::workspace::Workspace;
use l4_loader::Elf;
use l4_loader::elf::segment_type::LOAD;

pub(super) const VERB: Verb = Verb {
    name: "size",
    words: "",
    about: "counts the lines of code of each part, tests excluded",
    options: &[],
    run,
};

/// How many lines kernel and machine are to have for one architecture, without virtual machines.
const AIM: usize = 14_000;
/// How many they may have, until they are where they are to be: what is below stays below.
pub(super) const LIMIT: usize = 17_480;

/// A part: its name, where it lies, and which of the files there.
struct Part {
    name: &'static str,
    folder: &'static str,
    wanted: fn(&str) -> bool,
}

/// Files for people who look inside, which are in no release.
fn is_for_looking(path: &str) -> bool {
    ["debugger/", "trace/", "latency/"]
        .iter()
        .any(|folder| path.starts_with(folder))
        || path.ends_with("inspect.rs")
}

/// Files of kernel and machine that only virtual machines need.
fn is_for_virtual_machines(path: &str) -> bool {
    let mut folders = path.split('/');
    folders.any(|part| ["svm", "vmx", "vm", "vm.rs", "guest.rs"].contains(&part))
}

/// Files that are in the place of something in kernels without it.
fn is_stand_in(path: &str) -> bool {
    path.ends_with("absent.rs")
}

/// Files that every system has, unless its kernel is to be without.
fn is_for_all(path: &str) -> bool {
    !is_for_looking(path) && !is_for_virtual_machines(path) && !is_stand_in(path)
}

fn is_of_architecture(path: &str, arch: Architecture) -> bool {
    path.split('/').any(|part| part == arch.name())
}

fn is_shared(path: &str) -> bool {
    !Architecture::ALL
        .into_iter()
        .any(|arch| is_of_architecture(path, arch))
}

const MACHINE: &str = "microkernel/machine/src";

const KERNEL: Part = Part {
    name: "kernel",
    folder: "microkernel/kernel/src",
    wanted: is_for_all,
};

/// The kernel's frame allocator, which is moe's too.
const BUDDY: Part = Part {
    name: "buddy",
    folder: "microkernel/buddy/src",
    wanted: |_| true,
};

const SHARED_MACHINE: Part = Part {
    name: "machine, shared",
    folder: MACHINE,
    wanted: |path| is_shared(path) && is_for_all(path),
};

const fn machine(arch: Architecture) -> Part {
    match arch {
        Architecture::X86_64 => Part {
            name: "machine, x86_64",
            folder: MACHINE,
            wanted: |path| is_of_architecture(path, Architecture::X86_64) && is_for_all(path),
        },
        Architecture::Aarch64 => Part {
            name: "machine, aarch64",
            folder: MACHINE,
            wanted: |path| is_of_architecture(path, Architecture::Aarch64) && is_for_all(path),
        },
    }
}

/// What is not the kernel.
const OTHERS: &[Part] = &[
    Part {
        name: "virtual machines",
        folder: "microkernel",
        wanted: |path| {
            let of_kernel = ["kernel/", "machine/"].iter();
            of_kernel.clone().any(|part| path.starts_with(part))
                && !path.contains("/hosted/")
                && is_for_virtual_machines(path)
        },
    },
    Part {
        name: "debugger and traces",
        folder: "microkernel",
        wanted: |path| {
            let path = path.split_once("/src/").map_or("", |(_, path)| path);
            is_for_looking(path)
        },
    },
    Part {
        name: "abi",
        folder: "microkernel/abi/src",
        wanted: |_| true,
    },
    Part {
        name: "bootstrap",
        folder: "microkernel/bootstrap",
        wanted: |path| path.contains("src/"),
    },
    Part {
        name: "sigma0",
        folder: "servers/sigma0/src",
        wanted: |_| true,
    },
    Part {
        name: "moe",
        folder: "servers/moe/src",
        wanted: |_| true,
    },
    Part {
        name: "ned",
        folder: "servers/ned",
        wanted: |path| path.contains("src/"),
    },
    Part {
        name: "l4re",
        folder: "l4re",
        wanted: |path| path.contains("/src/"),
    },
];

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    args.no_words()?;
    let workspace = Workspace::load()?;
    println!("{:<26} {:>8}", "part", "lines");
    let machines = Architecture::ALL.map(machine);
    let kernel = [&KERNEL, &BUDDY, &SHARED_MACHINE]
        .into_iter()
        .chain(&machines);
    for part in kernel.chain(OTHERS) {
        println!("{:<26} {:>8}", part.name, part.lines(&workspace)?);
    }
    println!();
    for arch in Architecture::ALL {
        println!(
            "kernel and machine for {arch}: {} lines; the aim is {AIM}, the limit {LIMIT}",
            kernel_lines(&workspace, arch)?
        );
    }
    for arch in Architecture::ALL {
        show_image(&workspace, arch)?;
    }
    Ok(())
}

impl Part {
    fn lines(&self, workspace: &Workspace) -> Result<usize> {
        code_lines::in_folder(&workspace.root().join(self.folder), &self.wanted)
    }
}

/// Lines of kernel and machine for one architecture.
pub(super) fn kernel_lines(workspace: &Workspace, arch: Architecture) -> Result<usize> {
    let mut lines = 0;
    for part in [KERNEL, BUDDY, SHARED_MACHINE, machine(arch)] {
        lines += part.lines(workspace)?;
    }
    Ok(lines)
}

/// What a kernel that was built takes of memory.
fn show_image(workspace: &Workspace, arch: Architecture) -> Result<()> {
    const EXECUTE: u32 = 1;
    const WRITE: u32 = 2;
    let path = kernel_path(workspace, arch, Kernel::whole(Purpose::Plain));
    if !path.exists() {
        return Ok(());
    }
    let file = read(&path)?;
    let elf = Elf::parse(&file).context(|| path.display())?;
    let (mut code, mut constants, mut data) = (0, 0, 0);
    for header in elf.program_headers().filter(|header| header.kind == LOAD) {
        *match header.flags {
            flags if flags & EXECUTE != 0 => &mut code,
            flags if flags & WRITE != 0 => &mut data,
            _ => &mut constants,
        } += header.memory_size;
    }
    println!(
        "kernel.elf for {arch} as built last: {} KiB of code, {} KiB constants, {} KiB data",
        code >> 10,
        constants >> 10,
        data >> 10
    );
    Ok(())
}
