//! Scheduler proxy: the kernel's scheduler lets anyone set any priority, this one does not.
//!
//! Priorities above the limit become the limit, as the kernel does with those above 255; long time
//! slices are cut; CPUs outside the set are left out.

use l4_abi::error::ResultCode;
use l4_abi::protocol::scheduler::{
    CLASS_FIXED_PRIORITY, CpuSet, PARAMETER_LENGTH, run_thread_word as word,
};

/// Longest time slice in µs, so that nobody keeps threads of its own priority waiting.
const LONGEST_QUANTUM: u64 = 100_000;

/// A scheduler proxy.
#[derive(Clone, Copy, Debug)]
pub struct Scheduler {
    /// Added to the priorities that are asked for.
    pub base: u8,
    /// No thread gets a higher one.
    pub limit: u8,
    /// The CPUs that threads may run on, of the first 64.
    pub cpus: u64,
}

/// A run_thread request as it is passed on to the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunThread {
    /// The CPUs.
    pub cpus: CpuSet,
    /// Effective priority.
    pub priority: u8,
    /// Time slice in µs, 0 for the default.
    pub quantum: u64,
}

impl Scheduler {
    /// A proxy whose priorities are `base` plus what is asked for, up to `limit`.
    pub fn new(limit: i64, base: i64, cpus: u64) -> Result<Self, ResultCode> {
        match (u8::try_from(limit), u8::try_from(base)) {
            (Ok(limit), Ok(base)) if base < limit => Ok(Self { base, limit, cpus }),
            _ => Err(ResultCode::EINVAL),
        }
    }

    /// Checks the words of a run_thread request.
    pub fn admit(&self, words: &[u64]) -> Result<RunThread, ResultCode> {
        let get = |index: usize| words.get(index).copied().ok_or(ResultCode::EINVAL);
        let quantum = get(word::QUANTUM)?;
        let (asked, quantum) = match get(word::PRIORITY)? as i64 {
            CLASS_FIXED_PRIORITY => {
                if !(PARAMETER_LENGTH..=(words.len() as u64 - 1) * 8).contains(&quantum) {
                    return Err(ResultCode::EINVAL);
                }
                (
                    get(word::CLASS_PRIORITY)? & 0xffff,
                    get(word::CLASS_QUANTUM)?,
                )
            }
            class if class < 0 => return Err(ResultCode::ERANGE),
            priority => (priority as u64, quantum),
        };
        if asked == 0 {
            return Err(ResultCode::EINVAL);
        }
        let priority = asked
            .saturating_add(self.base.into())
            .min(self.limit.into()) as u8;
        let asked_cpus = CpuSet {
            granularity_offset: get(word::GRANULARITY_OFFSET)?,
            map: get(word::MAP)?,
        };
        Ok(RunThread {
            cpus: self.restrict(asked_cpus),
            priority,
            quantum: quantum.min(LONGEST_QUANTUM),
        })
    }

    /// The part of `asked` that threads may run on.
    pub fn restrict(&self, asked: CpuSet) -> CpuSet {
        if self.cpus == u64::MAX {
            return asked;
        }
        let allowed = (0..u64::BITS).filter(|cpu| self.cpus >> cpu & 1 != 0);
        let map = allowed
            .filter(|cpu| asked.contains(*cpu))
            .fold(0, |map, cpu| map | 1 << cpu);
        CpuSet {
            granularity_offset: 0,
            map,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = u64::MAX;

    fn plain(priority: u64) -> [u64; 5] {
        [
            1,
            CpuSet::ALL.granularity_offset,
            CpuSet::ALL.map,
            priority,
            0,
        ]
    }

    #[test]
    fn priorities_end_at_the_limit() {
        let proxy = Scheduler::new(10, 0, ALL).unwrap();
        for (asked, given) in [(1, 1), (9, 9), (10, 10), (11, 10), (255, 10), (1 << 40, 10)] {
            assert_eq!(proxy.admit(&plain(asked)).unwrap().priority, given);
        }
        let proxy = Scheduler::new(10, 8, ALL).unwrap();
        assert_eq!(proxy.admit(&plain(1)).unwrap().priority, 9);
        assert_eq!(proxy.admit(&plain(u64::MAX >> 1)).unwrap().priority, 10);
    }

    #[test]
    fn the_structure_form_obeys_the_same_limit() {
        let proxy = Scheduler::new(10, 0, ALL).unwrap();
        let words = |length, priority| [1, 0, 1, -1i64 as u64, length, 77, priority];
        let admitted = proxy.admit(&words(48, 200)).unwrap();
        assert_eq!((admitted.priority, admitted.quantum), (10, 77));
        for length in [0, 47, 49, u64::MAX] {
            assert_eq!(
                proxy.admit(&words(length, 5)),
                Err(ResultCode::EINVAL),
                "{length}"
            );
        }
        assert_eq!(proxy.admit(&words(48, 0)), Err(ResultCode::EINVAL));
    }

    #[test]
    fn time_slices_are_cut() {
        let proxy = Scheduler::new(10, 0, ALL).unwrap();
        for (asked, given) in [(0, 0), (10_000, 10_000), (u64::MAX, LONGEST_QUANTUM)] {
            let mut words = plain(5);
            words[4] = asked;
            assert_eq!(proxy.admit(&words).unwrap().quantum, given);
        }
    }

    #[test]
    fn malformed_requests_are_refused() {
        let proxy = Scheduler::new(10, 0, ALL).unwrap();
        assert_eq!(proxy.admit(&plain(0)), Err(ResultCode::EINVAL));
        assert_eq!(proxy.admit(&plain(-2i64 as u64)), Err(ResultCode::ERANGE));
        for length in 0..5 {
            assert_eq!(proxy.admit(&plain(5)[..length]), Err(ResultCode::EINVAL));
        }
        for (limit, base) in [(0, 0), (256, 0), (-1, 0), (10, 10), (10, -1)] {
            assert!(Scheduler::new(limit, base, ALL).is_err());
        }
    }

    #[test]
    fn cpus_outside_the_set_are_left_out() {
        let proxy = Scheduler::new(10, 0, 0b110).unwrap();
        assert_eq!(proxy.admit(&plain(5)).unwrap().cpus.map, 0b110);
        assert_eq!(proxy.restrict(CpuSet::single(0)).map, 0);
        assert_eq!(proxy.restrict(CpuSet::single(2)).map, 0b100);
        assert_eq!(
            proxy
                .restrict(CpuSet {
                    granularity_offset: 0x4000_0000,
                    map: 1
                })
                .map,
            0b110
        );
    }
}
