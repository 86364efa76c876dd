//! What the kernel's operations cost, in instructions: every figure of `cargo xtask bench` has to meet its target.

use super::{Outcome, Report};
use crate::architecture::Architecture;
use crate::verbs::bench::Measured;
use crate::workspace::Workspace;
use std::thread::scope;
use std::time::Instant;

/// Measures the architectures at the same time: instructions are as many on a busy host.
pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) {
    let start = Instant::now();
    let named = archs.iter().map(|&arch| (format!("figures {arch}"), arch));
    let selected: Vec<_> = named.filter(|(name, _)| selected(name)).collect();
    scope(|threads| {
        let timed = move |arch| (outcome(workspace, arch), start.elapsed());
        let measure = |(name, arch)| (name, threads.spawn(move || timed(arch)));
        let running: Vec<_> = selected.into_iter().map(measure).collect();
        for (name, thread) in running {
            let ended = thread.join();
            let panicked = |_| (Outcome::Failed("it panicked".into()), start.elapsed());
            let (outcome, time) = ended.unwrap_or_else(panicked);
            report.add(&name, &outcome, time);
        }
    });
}

fn outcome(workspace: &Workspace, arch: Architecture) -> Outcome {
    match Measured::new(workspace, arch).map(|measured| measured.missed()) {
        Err(failure) => Outcome::Failed(failure.to_string()),
        Ok(missed) if missed.is_empty() => Outcome::Passed,
        Ok(missed) => Outcome::Failed(missed.join("; ")),
    }
}
