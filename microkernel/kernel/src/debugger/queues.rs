//! The scheduler's queues of one CPU.

use super::command::Arguments;
use super::terminal::{Terminal, say, say_part};
use crate::cpu::Cpu;

/// Who runs, and who could.
pub(super) fn ready(cpu: &Cpu, terminal: &Terminal<'_>, _arguments: &mut Arguments<'_>) {
    match cpu.current.get(cpu) {
        Some(current) => say_part!(terminal, "CPU {}: thread #{} runs", cpu.id(), current.id),
        None => say_part!(terminal, "CPU {}: idle", cpu.id()),
    }
    if let Some(owner) = cpu.budget.owner(cpu) {
        say_part!(
            terminal,
            ", on the time of thread #{} (priority {}) until {} µs",
            owner.id,
            cpu.budget.priority(),
            cpu.budget.ends()
        );
    }
    let now = cpu.kernel.platform.timer.now();
    let reachable = cpu.kernel.reachable.get(cpu.id() as usize);
    let idle = reachable.map_or(0, |own| own.idle.total(now));
    say!(terminal, "; now {now} µs, idle for {idle} µs in all");
    for priority in (0..=u8::MAX).rev() {
        let mut threads = cpu.ready.of_priority(cpu, priority).peekable();
        if threads.peek().is_none() {
            continue;
        }
        say_part!(terminal, "  priority {priority:>3}:");
        for thread in threads {
            say_part!(terminal, " #{}", thread.id);
        }
        say!(terminal);
    }
}

/// Who waits until when.
pub(super) fn timeouts(cpu: &Cpu, terminal: &Terminal<'_>, _arguments: &mut Arguments<'_>) {
    let now = cpu.kernel.platform.timer.now();
    say!(terminal, "CPU {}: now {now} µs", cpu.id());
    for thread in cpu.timeouts.iter(cpu) {
        let deadline = thread.state(cpu).deadline.get();
        say!(
            terminal,
            "  thread #{:<5} until {deadline} µs, {} µs from now",
            thread.id,
            deadline.saturating_sub(now)
        );
    }
}
