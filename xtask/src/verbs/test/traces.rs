//! Traces of a system: what a viewer would show of it must be there.

use super::{Outcome, Report};
use crate::architecture::Architecture;
use crate::build::Purpose;
use crate::failure::{Failure, Result, fail};
use crate::qemu::{End, Typing};
use crate::trace::check::{Summary, check};
use crate::trace::chrome;
use crate::verbs::run::load;
use crate::verbs::trace::Recording;
use crate::workspace::Workspace;
use std::time::Duration;

/// What is watched: a server, and a client that calls it a thousand times.
const CALLING: Watched = Watched {
    system: "pingpong",
    cpus: &[1, 2],
    expect: expect_calls,
};
/// A component that waits for what is typed.
const TYPING: Watched = Watched {
    system: "echo",
    cpus: &[1],
    expect: expect_interrupts,
};
/// Calls that must be seen at least, each way.
const CALLS: usize = 900;
const TIMEOUT: Duration = Duration::from_secs(600);

/// A system, with how many CPUs it runs, and what must be seen of it.
struct Watched {
    system: &'static str,
    cpus: &'static [u64],
    expect: fn(&Summary) -> Result<()>,
}

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    for &arch in archs {
        for watched in [CALLING, TYPING] {
            for &cpus in watched.cpus {
                let name = format!("trace {} {arch} smp {cpus}", watched.system);
                if !selected(&name) {
                    continue;
                }
                report.run(&name, || {
                    record(workspace, &watched, arch, cpus).map(|()| Outcome::Passed)
                });
            }
        }
    }
    Ok(())
}

fn record(workspace: &Workspace, watched: &Watched, arch: Architecture, cpus: u64) -> Result<()> {
    let mut system = load(workspace, watched.system)?;
    system.kernel.purpose = Purpose::Trace;
    let typing = Typing::Script(system.test.input.clone());
    let recording = Recording {
        system,
        arch,
        cpus: Some(cpus),
        timeout: Some(TIMEOUT),
    };
    let (end, trace) = recording.run(workspace, typing, |_| {})?;
    if end != End::Exit(0) {
        fail!("the system {end}");
    }
    let summary = check(&chrome::file(&trace)).map_err(Failure::new)?;
    if trace.cpus.len() as u64 != cpus {
        fail!("{} CPUs of {cpus} were seen", trace.cpus.len());
    }
    (watched.expect)(&summary)
}

/// Both threads, the arrows between them, and the other things that happen in any system.
fn expect_calls(summary: &Summary) -> Result<()> {
    let between = |from: &str, to: &str| -> usize {
        let arrows = summary.arrows.iter();
        let matching = arrows
            .filter(|((sender, receiver), _)| sender.starts_with(from) && receiver.starts_with(to));
        matching.map(|(_, count)| count).sum()
    };
    for (from, to) in [("client #", "server #"), ("server #", "client #")] {
        let count = between(from, to);
        if count < CALLS {
            fail!("only {count} arrows from `{from}…` to `{to}…`");
        }
    }
    for name in ["runs", "call", "page fault", "timer"] {
        if !summary.slices.contains_key(name) {
            fail!("no slice is a `{name}`");
        }
    }
    if summary.instants == 0 {
        fail!("nothing was mapped");
    }
    Ok(())
}

/// The interrupts of the device that is typed into, and what they send to who waits for it.
fn expect_interrupts(summary: &Summary) -> Result<()> {
    let of_a_device = |name: &str| {
        let pin = name.strip_prefix("interrupt ");
        pin.is_some_and(|pin| pin.parse::<u32>().is_ok())
    };
    if !summary.slices.keys().any(|name| of_a_device(name)) {
        fail!("no slice is an interrupt of a device: {:?}", summary.slices);
    }
    if !summary
        .messages
        .keys()
        .any(|name| name.starts_with("IRQ #"))
    {
        fail!("no arrow is an interrupt's: {:?}", summary.messages);
    }
    Ok(())
}
