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

/// The system that is watched: a server, and a client that calls it a thousand times.
const SYSTEM: &str = "pingpong";
/// Calls that must be seen at least, each way.
const CALLS: usize = 900;
const TIMEOUT: Duration = Duration::from_secs(600);

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) -> Result<()> {
    for &arch in archs {
        for cpus in [1, 2] {
            let name = format!("trace {SYSTEM} {arch} smp {cpus}");
            if !selected(&name) {
                continue;
            }
            report.run(&name, || {
                record(workspace, arch, cpus).map(|()| Outcome::Passed)
            });
        }
    }
    Ok(())
}

fn record(workspace: &Workspace, arch: Architecture, cpus: u64) -> Result<()> {
    let mut system = load(workspace, SYSTEM)?;
    system.kernel.purpose = Purpose::Trace;
    let recording = Recording {
        system,
        arch,
        cpus: Some(cpus),
        timeout: Some(TIMEOUT),
    };
    let (end, trace) = recording.run(workspace, Typing::Script(vec![]), |_| {})?;
    if end != End::Exit(0) {
        fail!("the system {end}");
    }
    let summary = check(&chrome::file(&trace)).map_err(Failure::new)?;
    if trace.cpus.len() as u64 != cpus {
        fail!("{} CPUs of {cpus} were seen", trace.cpus.len());
    }
    expect(&summary)
}

/// Both threads, the arrows between them, and the other things that happen in any system.
fn expect(summary: &Summary) -> Result<()> {
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
