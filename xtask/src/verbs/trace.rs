//! `cargo xtask trace`: what happened in a system, as a file for a standard viewer.

use super::run::{build, default_arch, load, show};
use super::{THE_ARCH, Verb};
use crate::architecture::Architecture;
use crate::arguments::{Arguments, CPUS};
use crate::boot_image::write_file;
use crate::build::{Profile, Purpose};
use crate::console::Report;
use crate::failure::{Context, Result, fail};
use crate::qemu::{End, Machine, Output, Session, Typing};
use crate::symbols::Symbols;
use crate::system::System;
use crate::trace::buffer::{Place, Trace};
use crate::trace::chrome;
use crate::workspace::{Workspace, relative};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const VERB: Verb = Verb {
    name: "trace",
    words: "SYSTEM",
    about: "boots a system and writes what its threads did, for ui.perfetto.dev",
    options: &[
        THE_ARCH,
        ("--smp N", "CPUs, up to 64"),
        ("--timeout S", "ends the system after so many seconds"),
        (
            "-o FILE",
            "where to write it, in the format of Chrome's trace viewer",
        ),
    ],
    run,
};

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    let workspace = Workspace::load()?;
    let mut system = load(&workspace, args.word("SYSTEM")?)?;
    system.kernel.purpose = Purpose::Trace;
    let arch = args
        .architecture()?
        .unwrap_or_else(|| default_arch(&system));
    let recording = Recording {
        system,
        arch,
        cpus: args.number_in("--smp", CPUS)?,
        timeout: args.number("--timeout")?.map(Duration::from_secs),
    };
    let (end, trace) = recording.run(&workspace, Typing::User, show)?;
    let file = chrome::file(&trace);
    let path = args
        .text("-o")
        .map_or_else(|| recording.default_output(&workspace), PathBuf::from);
    write_file(&path, file.to_string().as_bytes())?;
    let count = file["traceEvents"].as_array().map_or(0, Vec::len);
    println!(
        "{}: {count} events{}; open it in ui.perfetto.dev or chrome://tracing",
        relative(&path).display(),
        match trace.lost {
            0 => String::new(),
            lost => format!(", {lost} earlier ones were overwritten"),
        }
    );
    match end {
        // It was to end then.
        End::Timeout(_) if recording.timeout.is_some() => Ok(()),
        end => end.into_result(&recording.system.name),
    }
}

/// A system that is run to be watched.
pub(super) struct Recording {
    pub(super) system: System,
    pub(super) arch: Architecture,
    pub(super) cpus: Option<u64>,
    pub(super) timeout: Option<Duration>,
}

impl Recording {
    /// Runs it to its end, however that is; what was noted until then.
    pub(super) fn run(
        &self,
        workspace: &Workspace,
        typing: Typing,
        mut output: impl FnMut(Output<'_>),
    ) -> Result<(End, Trace)> {
        let memory = self.path(workspace, "memory");
        // Not an old one, should QEMU not start.
        write_file(&memory, b"")?;
        let machine = self.machine(workspace, &memory)?;
        let symbols = Symbols::new(workspace, self.arch, machine.kernel);
        let mut places = vec![];
        let session = Session::start(&machine, symbols, typing)?;
        let end = session.run(self.timeout, |printed| {
            if let Output::Report(Report::Trace { address, size }) = printed {
                places.push(Place { address, size });
            }
            output(printed);
        })?;
        let file = File::open(&memory).context(|| memory.display())?;
        let trace = Trace::read(&file, memory_start(self.arch), &places);
        // Only what is in it counts.
        let _ = std::fs::remove_file(&memory);
        if places.is_empty() {
            fail!("the kernel does not say where its trace buffers are: the system {end}");
        }
        Ok((end, trace?))
    }

    /// The machine, with its memory in a file.
    fn machine(&self, workspace: &Workspace, memory: &Path) -> Result<Machine> {
        let image = build(&self.system, workspace, self.arch, Profile::Checked)?;
        let mut machine = Machine::new(&self.system, self.arch, image);
        machine.cpus = self.cpus.unwrap_or(machine.cpus);
        let backend = format!(
            "memory-backend-file,id=ram,size={}M,mem-path={},share=on",
            machine.memory >> 20,
            memory.display()
        );
        machine.extra = ["-object", &backend, "-machine", "memory-backend=ram"]
            .map(str::to_owned)
            .to_vec();
        Ok(machine)
    }

    fn path(&self, workspace: &Workspace, kind: &str) -> PathBuf {
        let name = format!("{}.{kind}", self.system.file_name());
        workspace.output(self.arch).join("traces").join(name)
    }

    fn default_output(&self, workspace: &Workspace) -> PathBuf {
        self.path(workspace, "json")
    }
}

/// Where QEMU's machines have their memory.
fn memory_start(arch: Architecture) -> u64 {
    match arch {
        Architecture::X86_64 => 0,
        Architecture::Aarch64 => 0x4000_0000,
    }
}
