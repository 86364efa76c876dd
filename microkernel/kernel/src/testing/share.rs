//! Long work, shared between the host's CPUs.

use std::io::{Write, stderr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

/// Does `work` for each number below `count`, and tells how far it is; the sum
/// of what that gives.
pub(super) fn share(name: &str, count: usize, work: impl Fn(usize) -> usize + Sync) -> usize {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut sum = 0;
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= count {
                return sum;
            }
            if number.is_multiple_of(count.div_ceil(100)) {
                // Seen at once: what `println` prints is kept until the test has failed.
                let _ = writeln!(stderr(), "{name}: {number} of {count}");
            }
            sum += work(number);
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(run)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, usize>| worker.join().expect("one failed");
        workers.into_iter().map(join).sum()
    })
}
