//! The generator can be trusted with any seed and any bytes.

use l4_abi::protocol::{label, platform_control, scheduler};

use crate::layout::MAX_PRIORITY;
use crate::{Call, Choices, Step};

/// All calls that some seeds give.
fn calls() -> impl Iterator<Item = Call> {
    (0..20_000).map(|index| Call::choose(&mut Choices::seeded(7, index)))
}

#[test]
fn nothing_ends_the_test() {
    for call in calls() {
        let (label, words) = (call.tag.label(), call.words());
        let opcode = words[0];
        assert!(label != label::NONE || opcode != platform_control::Opcode::Shutdown as u64);
        if label == label::SCHEDULER && opcode == scheduler::Opcode::RunThread as u64 {
            let class = scheduler::CLASS_FIXED_PRIORITY as u64;
            assert!(words[3] <= MAX_PRIORITY || words[3] == class);
            assert!(words[6] <= MAX_PRIORITY || words[6] == class);
        }
    }
}

#[test]
fn every_protocol_of_the_kernel_is_used() {
    for wanted in [
        label::KERNEL_OBJECT,
        label::TASK,
        label::THREAD,
        label::LOG,
        label::SCHEDULER,
        label::FACTORY,
        label::IRQ,
        label::IRQ_SENDER,
        label::SEMAPHORE,
    ] {
        let uses = calls().filter(|call| call.tag.label() == wanted).count();
        assert!(uses > 100, "{wanted} is used {uses} times");
    }
}

#[test]
fn a_seed_gives_the_same_again_and_another_one_gives_others() {
    let text = |seed| {
        let mut choices = Choices::seeded(seed, 0);
        [(); 20].map(|()| choices.word())
    };
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn bytes_end_and_then_every_choice_is_the_first() {
    let bytes: [u8; 64] = core::array::from_fn(|index| (index * 37) as u8);
    let mut choices = Choices::from_bytes(&bytes);
    let mut steps = 0;
    while !choices.is_over() {
        Step::choose(&mut choices);
        steps += 1;
    }
    assert!((1..=64).contains(&steps));
    assert_eq!(choices.below(200), 0);
    assert_eq!(choices.weighted([3, 1]), 0);
}
