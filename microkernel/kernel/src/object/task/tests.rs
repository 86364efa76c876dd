//! Tasks.

use super::*;

/// Explicit reply slots and callers point to each other.
pub(crate) fn check(cpu: &Cpu, task: &Task) {
    let pages = task.reply_space.pages.get().into_iter().flatten();
    for place in pages.filter_map(OnceBox::get).flatten() {
        reply::check(cpu, place);
    }
}
