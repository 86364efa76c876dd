//! Programs in which each thread does any one thing while the others do theirs.

use std::iter;

use super::stage::{Op, Target};
use super::{OVERLAPPING, Setting, THREE_CPUS, TWO_CPUS, explore};
use crate::testing::share::share;

/// What a thread may do while the others do something.
const ANYTHING: [Op; 25] = [
    Op::Call,
    Op::Down,
    Op::Cancel(2),
    Op::Migrate(0, 1),
    Op::Send,
    Op::Destroy(Target::Thread(2)),
    Op::Wait,
    Op::Trigger,
    Op::Up,
    Op::BindGate(1),
    Op::Destroy(Target::Thread(0)),
    Op::ImpatientCall,
    Op::Cancel(0),
    Op::Migrate(2, 0),
    Op::BindIrq(2),
    Op::Destroy(Target::Gate),
    Op::SendTo(1),
    Op::ReceiveFrom(2),
    Op::BindIrq(0),
    Op::Destroy(Target::Semaphore),
    Op::Map,
    Op::Unmap,
    Op::Destroy(Target::Irq),
    Op::Destroy(Target::Task(1)),
    Op::BecomeVcpu,
];

/// Each thread makes one system call, and the last one then serves, as a vCPU
/// if it has become one. `numbers` says what they do; how many orders there are.
fn explore_anything(setting: Setting, numbers: impl Iterator<Item = usize>) -> usize {
    const COUNT: usize = ANYTHING.len();
    let programs = numbers.map(|number| {
        let pick = |place: usize| ANYTHING[number / place % COUNT];
        let last = match pick(1) {
            Op::BecomeVcpu => [Op::BecomeVcpu, Op::Resume, Op::Reply],
            first => [first, Op::Wait, Op::ReplyAndWait],
        };
        explore(setting, &[&[pick(COUNT * COUNT)], &[pick(COUNT)], &last])
    });
    programs.sum()
}

/// How many choices there are of what the threads do.
const CHOICES: usize = ANYTHING.len().pow(3);

#[test]
fn some_of_anything() {
    for (setting, stride) in [(TWO_CPUS, 311), (THREE_CPUS, 2503)] {
        let orders = explore_anything(setting, (0..CHOICES).step_by(stride));
        println!("{orders} orders: {setting:?}");
        assert!(orders > 1000);
    }
}

/// All of it, shared between the host's CPUs.
fn all_of_anything(setting: Setting) {
    let name = format!("programs, {setting:?}");
    let orders = share(&name, CHOICES, |number| {
        explore_anything(setting, iter::once(number))
    });
    println!("{orders} orders: {setting:?}");
    assert!(orders > 100_000);
}

#[test]
#[ignore = "takes long: for --long"]
fn all_of_anything_on_two_cpus() {
    all_of_anything(TWO_CPUS);
}

#[test]
#[ignore = "takes long: for --long"]
fn all_of_anything_on_three_cpus() {
    all_of_anything(THREE_CPUS);
}

#[test]
#[ignore = "takes long: for --long"]
fn some_of_anything_with_entries_that_overlap() {
    let orders = explore_anything(OVERLAPPING, (0..CHOICES).step_by(2503));
    println!("{orders} orders: {OVERLAPPING:?}");
    assert!(orders > 1000);
}
