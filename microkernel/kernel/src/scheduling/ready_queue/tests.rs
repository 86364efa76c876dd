//! The ready queue against a sorted list.

use proptest::prelude::*;

use super::*;
use crate::object::Ref;
use crate::testing::run;

impl ReadyQueue {
    pub(crate) fn contains(&self, thread: &Thread, priority: u8) -> bool {
        self.lists[usize::from(priority)].contains(thread)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Front(usize, u8),
    Back(usize, u8),
    Remove(usize),
    Pop,
}

fn step() -> impl Strategy<Value = Step> {
    let priority = || prop_oneof![any::<u8>(), 62..66_u8];
    prop_oneof![
        (0..6_usize, priority()).prop_map(|(thread, priority)| Step::Front(thread, priority)),
        (0..6_usize, priority()).prop_map(|(thread, priority)| Step::Back(thread, priority)),
        (0..6_usize).prop_map(Step::Remove),
        Just(Step::Pop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]
    #[test]
    fn threads_come_out_by_priority_then_by_place(steps in prop::collection::vec(step(), 1..60)) {
        run(|world| {
            let queue = ReadyQueue::new();
            let threads: Vec<Ref<Thread>> = (0..6).map(|_| world.new_thread()).collect();
            // Thread and priority; the next to run is first.
            let mut model: Vec<(usize, u8)> = Vec::new();
            for step in &steps {
                let is_in = |thread| model.iter().position(|(other, _)| *other == thread);
                match *step {
                    Step::Front(thread, priority) if is_in(thread).is_none() => {
                        queue.push_front(&threads[thread], priority);
                        let at = model.partition_point(|(_, other)| *other > priority);
                        model.insert(at, (thread, priority));
                    }
                    Step::Back(thread, priority) if is_in(thread).is_none() => {
                        queue.push_back(&threads[thread], priority);
                        let at = model.partition_point(|(_, other)| *other >= priority);
                        model.insert(at, (thread, priority));
                    }
                    Step::Remove(thread) => {
                        let at = is_in(thread);
                        let priority = at.map_or(0, |at| model.remove(at).1);
                        assert_eq!(queue.remove(&threads[thread], priority), at.is_some());
                    }
                    Step::Pop if !model.is_empty() => {
                        let (thread, priority) = model.remove(0);
                        let popped = queue.pop(world.cpu, priority).expect("it is there");
                        assert_eq!(popped.id, threads[thread].id);
                    }
                    _ => {}
                }
                assert_eq!(queue.highest(), model.first().map(|(_, priority)| *priority));
            }
            for (thread, priority) in model {
                queue.remove(&threads[thread], priority);
            }
        });
    }
}
