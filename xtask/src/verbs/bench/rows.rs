//! The operations, and what they may cost.

use super::figures::LONGEST;
use crate::architecture::Architecture;

/// One operation.
pub struct Row {
    /// What `tests/bench` calls it.
    pub name: &'static str,
    /// What people call it.
    pub operation: &'static str,
    /// Most instructions on x86_64.
    pub target: Option<u64>,
    /// What aarch64 may take more than x86_64, in percent.
    pub extra: u64,
}

/// What aarch64 may take more than x86_64, in percent.
const AARCH64_EXTRA: u64 = 10;

/// What a figure may grow when there is more of everything in the system, in percent.
pub const GROWTH_LIMIT: f64 = 5.0;

const fn row(name: &'static str, operation: &'static str, target: u64) -> Row {
    Row {
        name,
        operation,
        target: Some(target),
        extra: AARCH64_EXTRA,
    }
}

impl Row {
    const fn without_target(name: &'static str, operation: &'static str) -> Row {
        Row {
            name,
            operation,
            target: None,
            extra: 0,
        }
    }

    const fn everywhere(self) -> Row {
        Row { extra: 0, ..self }
    }

    /// Most instructions on `arch`.
    pub fn target_on(&self, arch: Architecture) -> Option<u64> {
        self.target.map(|target| match arch {
            Architecture::X86_64 => target,
            Architecture::Aarch64 => target + target * self.extra / 100,
        })
    }
}

/// The row of virtual machines.
pub const VM_EXIT: &str = "vm-exit";

/// All of them, in the order of the table.
pub const ROWS: &[Row] = &[
    Row::without_target("empty-slot", "send to an empty capability slot"),
    row(
        "call-other-task-2",
        "call + reply across tasks, gate, 2 words",
        400,
    ),
    row(
        "call-own-task-2",
        "call + reply within a task, gate, 2 words",
        370,
    ),
    row(
        "call-other-task-63",
        "call + reply across tasks, gate, 63 words",
        520,
    ),
    row(
        "capability-valid",
        "kernel-object call: task cap_valid",
        100,
    ),
    row(
        "page-fault",
        "page fault, pager in another task, 4 KiB mapped",
        1000,
    ),
    row("page-map", "task map, one 4 KiB page", 500),
    row("page-unmap", "task unmap, one 4 KiB page", 400),
    row("capability-map-unmap", "map + unmap of a capability", 500),
    row(
        "irq-receive",
        "IRQ trigger to receive, higher priority",
        250,
    ),
    row(
        "thread-start",
        "thread: create + start, to its first instruction",
        1300,
    ),
    row("gate-create-delete", "gate: create + delete", 1000),
    row(
        "thread-create-delete",
        "thread: create + start + delete",
        3000,
    ),
    row("task-create-delete", "task: create + delete", 20_000),
    row(
        "vcpu-resume",
        "vCPU: resume to another task's first instruction",
        170,
    ),
    row(
        "vcpu-system-call",
        "vCPU: its system call to the entry point",
        170,
    ),
    row(
        "vcpu-irq",
        "vCPU: IRQ trigger to the entry point, from user mode",
        450,
    ),
    row(
        VM_EXIT,
        "VM: resume, exit by `cpuid` or `hvc`, return to the VMM",
        450,
    ),
    row(LONGEST, "longest time for which interrupts are off", 20_000).everywhere(),
    Row::without_target("call-other-cpu", "call + reply across CPUs, per CPU"),
];
