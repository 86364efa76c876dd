//! `cargo xtask run`: builds, checks and boots a system, with its console on the terminal.

use super::{THE_ARCH, Verb};
use crate::architecture::Architecture;
use crate::arguments::{Arguments, CPUS};
use crate::bochs;
use crate::boot_image;
use crate::build::{Builder, OptionsBlock, Profile, Purpose};
use crate::capture::Capture;
use crate::failure::{Failure, Result, fail};
use crate::qemu::{Machine, Output, Session, Typing};
use crate::setup;
use crate::symbols::Symbols;
use crate::system::{System, check};
use crate::workspace::Workspace;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

pub(super) const VERB: Verb = Verb {
    name: "run",
    words: "SYSTEM",
    about: "boots a system, with its console on the terminal",
    options: &[
        THE_ARCH,
        ("--smp N", "CPUs, up to 64, whatever the system says"),
        (
            "--mem SIZE",
            "memory, for example 512M, whatever the system says",
        ),
        (
            "--gic 2|3",
            "version of the interrupt controller on aarch64",
        ),
        (
            "--kvm",
            "runs on the host's processor instead of an emulated one (x86_64)",
        ),
        (
            "--bochs MODEL",
            "runs in Bochs instead of QEMU; `bochs -help cpu` lists the processors",
        ),
        (
            "--debugger",
            "Esc on the console enters the kernel debugger",
        ),
        (
            "--capture PORT=FILE",
            "writes what goes through the switch to and from component PORT, for Wireshark",
        ),
        ("--timeout S", "ends the system after so many seconds"),
    ],
    run,
};

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    let workspace = Workspace::load()?;
    let mut system = load(&workspace, args.word("SYSTEM")?)?;
    if args.flag("--debugger") {
        system.kernel.purpose = Purpose::Debugger;
    }
    let capture = args.text("--capture");
    let mut capture = capture
        .map(|text| Capture::new(&mut system, text))
        .transpose()?;
    let arch = args
        .architecture()?
        .unwrap_or_else(|| default_arch(&system));
    let kvm = args.flag("--kvm");
    if kvm {
        setup::kvm(arch)?;
    }
    let bochs = args.text("--bochs").map(str::to_owned);
    if bochs.is_some() && (kvm || arch != Architecture::X86_64) {
        fail!("--bochs is for x86_64, and without --kvm");
    }
    match &bochs {
        Some(model) => bochs::check_model(model)?,
        None => setup::qemu(arch)?,
    }
    let gic = args.number_in("--gic", 2..=3)?;
    if gic.is_some() && arch != Architecture::Aarch64 {
        fail!("--gic is for aarch64");
    }
    let (memory, cpus) = (args.memory("--mem")?, args.number_in("--smp", CPUS)?);
    let timeout = args.number("--timeout")?.map(Duration::from_secs);
    let image = build(&system, &workspace, arch, Profile::Checked)?;
    let mut machine = Machine::new(&system, arch, image);
    machine.memory = memory.unwrap_or(machine.memory);
    machine.cpus = cpus.unwrap_or(machine.cpus);
    machine.gic = gic.unwrap_or(machine.gic);
    machine.kvm = kvm;
    machine.bochs = bochs;
    let hint = match std::io::stdin().is_terminal() {
        true => "; control-C stops it",
        false => "",
    };
    eprintln!("Booting `{}` ({machine}){hint}", system.name);
    let symbols = Symbols::new(&workspace, arch, machine.kernel);
    let session = Session::start(&machine, symbols, Typing::User)?;
    let end = session.run(timeout, |output| match (output, &mut capture) {
        (Output::Bytes(bytes), Some(capture)) => show(Output::Bytes(&capture.filter(bytes))),
        (output, _) => show(output),
    })?;
    if let Some(capture) = capture {
        eprintln!("{}", capture.finish()?);
    }
    end.into_result(&system.name)
}

/// Shows the console as it comes.
pub(super) fn show(output: Output<'_>) {
    let mut stdout = std::io::stdout().lock();
    // A closed standard output is no reason to stop the system.
    let _ = match output {
        Output::Bytes(bytes) => stdout.write_all(bytes).and_then(|()| stdout.flush()),
        Output::Explanation(line) => writeln!(stdout, "{line}\r"),
        Output::Line(_) | Output::Report(_) => Ok(()),
    };
}

/// The system that a word on the command line means, checked.
pub(super) fn load(workspace: &Workspace, name: &str) -> Result<System> {
    let path = workspace.system_path(name);
    if !path.exists() && !name.contains('/') {
        let known = workspace.systems("configs");
        let stems: Vec<&str> = known
            .iter()
            .filter_map(|path| path.file_stem()?.to_str())
            .collect();
        let near = crate::suggest::suggestion(name, &stems);
        return Err(Failure::new(format_args!(
            "{}:1:1: there is no such system{near}\n  = there are: {}",
            path.display(),
            stems.join(", ")
        )));
    }
    let system = System::read(&path)?;
    check::check(&system, workspace)?;
    Ok(system)
}

/// What `run` takes if nobody says otherwise.
pub(super) fn default_arch(system: &System) -> Architecture {
    let default = Architecture::DEFAULT;
    if system.archs.contains(&default) {
        default
    } else {
        system.archs.first().copied().unwrap_or(default)
    }
}

/// Builds and packs a system; the image's path.
pub(super) fn build(
    system: &System,
    workspace: &Workspace,
    arch: Architecture,
    profile: Profile,
) -> Result<PathBuf> {
    if !system.archs.contains(&arch) {
        return Err(Failure::new(format_args!(
            "system `{}` is not for {arch}",
            system.name
        )));
    }
    let builder = Builder {
        workspace,
        arch,
        profile,
        options_block: OptionsBlock::V5,
    };
    builder.build(&system.packages(), &[system.kernel])?;
    boot_image::pack(system, &builder)
}
