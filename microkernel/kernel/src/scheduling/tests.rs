//! Who runs when: preemption, time slices, donation.

use super::*;

/// Who runs is the most urgent thread, or runs on the most urgent one's time.
pub(crate) fn check(cpu: &Cpu) {
    match cpu.current.get(cpu) {
        Some(current) => {
            assert!(current.is_runnable(cpu), "a thread runs that waits");
            assert!(cpu.loaded.is(current) && !cpu.block().is_idle());
            assert!(cpu.ready.highest() <= Some(cpu.budget.priority()));
            assert!(cpu.budget.ends().is_some(), "nobody's time passes");
        }
        None => {
            assert!(cpu.block().is_idle());
            assert_eq!(cpu.ready.highest(), None, "nobody runs who could");
            assert_eq!(cpu.budget.ends(), None);
        }
    }
    check_timer(cpu);
}

/// The timer fires in time for what comes next.
fn check_timer(cpu: &Cpu) {
    let deadline = cpu.kernel.platform.timer.deadline();
    let next = cpu.timeouts.next().into_iter().chain(cpu.budget.ends());
    if let Some(next) = next.min() {
        let deadline = deadline.expect("the timer is on");
        assert!(
            deadline <= next,
            "the timer fires at {deadline}, not {next}"
        );
    }
}
