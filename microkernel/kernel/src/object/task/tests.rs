//! Tasks.

use super::*;
use crate::ipc::reply;

/// Explicit reply slots and callers point to each other.
pub(crate) fn check(cpu: &Cpu, task: &Task) {
    for (_, place) in task.reply_space.range(0, u64::MAX) {
        reply::check(cpu, place);
    }
}
