//! The timeouts against a plain list of times.

use proptest::prelude::*;

use super::*;
use crate::object::Ref;
use crate::testing::run;

impl Timeouts {
    /// True if `thread` is on the list of its deadline.
    pub(crate) fn contains(&self, cpu: &Cpu, thread: &Thread) -> bool {
        let deadline = thread.state(cpu).deadline.get();
        deadline >= self.cleared.get()
            && (self.lists[self.list_of(deadline)].contains(thread)
                || self.lists[self.spreading.get()].contains(thread))
    }
}

const THREADS: usize = 8;

#[derive(Clone, Copy, Debug)]
enum Step {
    Add(usize, u64),
    Remove(usize),
    Pass(u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let time = || prop_oneof![0..100_u64, 0..0x1_0000_u64, any::<u64>()];
    prop_oneof![
        3 => (0..THREADS, time()).prop_map(|(thread, time)| Step::Add(thread, time)),
        1 => (0..THREADS).prop_map(Step::Remove),
        2 => (
            prop_oneof![0..200_u64, 0..0x2_0000_u64, Just(u64::MAX / 4)],
            prop_oneof![0..6_usize, Just(usize::MAX)],
        )
            .prop_map(|(time, steps)| Step::Pass(time, steps)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn each_wait_ends_when_it_says_and_the_timer_is_never_late(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        run(|world| {
            let timeouts = Timeouts::new();
            let threads: Vec<Ref<Thread>> = (0..THREADS).map(|_| world.new_thread()).collect();
            let mut model = [None; THREADS];
            let mut now = 0_u64;
            for step in &steps {
                match *step {
                    Step::Add(thread, after) if model[thread].is_none() => {
                        let deadline = now.saturating_add(after);
                        timeouts.add(world.cpu, &threads[thread], deadline);
                        assert!(timeouts.take_changed());
                        model[thread] = Some(deadline);
                    }
                    Step::Add(..) => {}
                    Step::Remove(thread) => {
                        timeouts.remove(world.cpu, &threads[thread]);
                        model[thread] = None;
                    }
                    Step::Pass(micros, steps) => {
                        now = now.saturating_add(micros);
                        let mut end = |thread: &Thread| {
                            let index = threads.iter().position(|other| other.id == thread.id);
                            let deadline = model[index.expect("one of them")].take();
                            assert!(deadline.is_some_and(|deadline| deadline <= now));
                        };
                        let mut step = || timeouts.expire(world.cpu, now, &mut end);
                        // It may pause at any step.
                        let is_done = (0..steps).any(|_| !step());
                        let ended = |deadline: &u64| *deadline > now;
                        assert!(!is_done || model.iter().flatten().all(ended));
                    }
                }
                let first = model.iter().flatten().min();
                assert!(timeouts.next().is_some() || first.is_none());
                if let (Some(next), Some(first)) = (timeouts.next(), first) {
                    assert!(next <= *first, "{next} is later than {first}");
                }
            }
            for thread in &threads {
                timeouts.remove(world.cpu, thread);
            }
            assert_eq!(timeouts.next(), None);
        });
    }
}
