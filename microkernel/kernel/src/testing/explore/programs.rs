//! Programs with a subject of their own, on two CPUs and on three.

use super::stage::{Op, Target};
use super::{OVERLAPPING, THREE_CPUS, TWO_CPUS, explore};

/// Explores the programs, of which there are at least so many orders.
fn explore_all(least: usize, systems: &[[&[Op]; 3]]) {
    for setting in [TWO_CPUS, THREE_CPUS] {
        let orders = systems.iter().map(|programs| explore(setting, programs));
        let orders: usize = orders.sum();
        println!("{orders} orders of {} systems: {setting:?}", systems.len());
        assert!(orders >= least, "only {orders} orders");
    }
}

/// What the programs do, in pieces.
const CALLS: &[Op] = &[Op::Call, Op::Call];
const SERVES: &[Op] = &[Op::Wait, Op::ReplyAndWait, Op::ReplyAndWait];
const NOTHING: &[Op] = &[];

#[test]
fn messages() {
    explore_all(
        100,
        &[
            [CALLS, NOTHING, SERVES],
            [&[Op::Call], &[Op::Call], SERVES],
            [&[Op::Call], &[Op::Send], &[Op::Wait, Op::Wait, Op::Reply]],
            [&[Op::ImpatientCall, Op::Send], NOTHING, SERVES],
            [
                &[Op::SendTo(2), Op::ReceiveFrom(2)],
                NOTHING,
                &[Op::SendTo(0), Op::ReceiveFrom(0)],
            ],
            [
                &[Op::Call],
                &[Op::SendTo(0)],
                &[Op::Wait, Op::SendTo(0), Op::Reply],
            ],
        ],
    );
}

#[test]
fn cancellation() {
    explore_all(
        100,
        &[
            [&[Op::Call], &[Op::Cancel(0)], SERVES],
            [
                &[Op::Call],
                NOTHING,
                &[Op::Cancel(0), Op::Wait, Op::Cancel(0), Op::Reply],
            ],
            [
                &[Op::Cancel(2), Op::Cancel(2)],
                &[Op::Send],
                &[Op::Wait, Op::Wait],
            ],
            [&[Op::Down], &[Op::Up], &[Op::Cancel(0), Op::Down]],
        ],
    );
}

#[test]
fn ends() {
    explore_all(
        100,
        &[
            [&[Op::Call], &[Op::Destroy(Target::Thread(2))], SERVES],
            [&[Op::Call], &[Op::Destroy(Target::Thread(0))], SERVES],
            [
                &[Op::Call],
                &[Op::Send],
                &[Op::Destroy(Target::Thread(0)), Op::Wait, Op::Reply],
            ],
            [&[Op::Call], &[Op::Destroy(Target::Gate)], SERVES],
            [
                &[Op::Down],
                &[Op::Destroy(Target::Semaphore)],
                &[Op::Up, Op::Down],
            ],
            [
                &[Op::Destroy(Target::Thread(2))],
                &[Op::Destroy(Target::Semaphore)],
                &[Op::Down],
            ],
            [
                &[Op::Trigger],
                &[Op::Destroy(Target::Irq)],
                &[Op::BindIrq(2), Op::Wait],
            ],
            [
                &[Op::Destroy(Target::Thread(2))],
                NOTHING,
                &[Op::Destroy(Target::Thread(0))],
            ],
        ],
    );
}

#[test]
fn moves() {
    explore_all(
        100,
        &[
            [&[Op::Call], &[Op::Migrate(0, 1)], SERVES],
            [&[Op::Call], &[Op::Migrate(2, 0)], SERVES],
            [
                &[Op::Migrate(0, 1), Op::Call],
                NOTHING,
                &[Op::Wait, Op::Migrate(2, 0), Op::Reply],
            ],
            [&[Op::Migrate(2, 0)], &[Op::Cancel(2)], &[Op::Wait]],
            [
                &[Op::Migrate(2, 0)],
                &[Op::Destroy(Target::Thread(2))],
                &[Op::Down],
            ],
            [
                &[Op::Migrate(2, 0)],
                &[Op::Trigger],
                &[Op::BindIrq(2), Op::Wait],
            ],
        ],
    );
}

#[test]
fn signals_and_bindings() {
    explore_all(
        100,
        &[
            [
                &[Op::Trigger, Op::Trigger],
                NOTHING,
                &[Op::BindIrq(2), Op::Wait, Op::Wait],
            ],
            [
                &[Op::Trigger],
                &[Op::BindIrq(0)],
                &[Op::BindIrq(2), Op::Wait],
            ],
            [&[Op::Up, Op::Up], &[Op::Down], &[Op::Down, Op::Up]],
            [
                &[Op::Call],
                &[Op::BindGate(1), Op::Wait, Op::Reply],
                &[Op::BindGate(2), Op::Wait, Op::Reply],
            ],
        ],
    );
}

#[test]
fn mappings() {
    explore_all(
        10,
        &[
            [&[Op::Map, Op::Unmap], NOTHING, &[Op::Map, Op::Unmap]],
            [&[Op::Map], &[Op::Unmap], &[Op::Map, Op::Migrate(0, 1)]],
        ],
    );
}

#[test]
fn vcpus() {
    explore_all(
        100,
        &[
            [
                &[Op::SendTo(2)],
                &[Op::ImpatientCall],
                &[Op::BecomeVcpu, Op::Resume, Op::Resume],
            ],
            [
                &[Op::Trigger, Op::Trigger],
                NOTHING,
                &[Op::BindIrq(2), Op::BecomeVcpu, Op::Resume, Op::Resume],
            ],
            [
                &[Op::Call],
                &[Op::Migrate(2, 0)],
                &[Op::BecomeVcpu, Op::Resume, Op::Reply],
            ],
            [
                &[Op::Call],
                &[Op::Destroy(Target::Thread(2))],
                &[Op::BecomeVcpu, Op::Resume],
            ],
            [
                &[Op::Call],
                &[Op::Cancel(0)],
                &[Op::BecomeVcpu, Op::Resume, Op::Resume],
            ],
        ],
    );
}

/// What comes while the vCPU is in its user task, or on the way there or back.
#[test]
fn vcpus_in_user_tasks() {
    explore_all(
        100,
        &[
            [
                &[Op::Trigger, Op::Trigger],
                NOTHING,
                &[Op::BindIrq(2), Op::BecomeVcpu, Op::ResumeInUserTask],
            ],
            [
                &[Op::Call],
                NOTHING,
                &[Op::BecomeVcpu, Op::ResumeInUserTask, Op::Reply],
            ],
        ],
    );
}

#[test]
fn entries_that_overlap() {
    let systems: [[&[Op]; 3]; 4] = [
        [&[Op::Call], &[Op::Cancel(0)], &[Op::Wait, Op::Reply]],
        [&[Op::Trigger], NOTHING, &[Op::BindIrq(2), Op::Wait]],
        [&[Op::Send], NOTHING, &[Op::Destroy(Target::Thread(0))]],
        [
            &[Op::Trigger],
            NOTHING,
            &[Op::BindIrq(2), Op::BecomeVcpu, Op::ResumeInUserTask],
        ],
    ];
    let orders = systems
        .iter()
        .map(|programs| explore(OVERLAPPING, programs));
    let orders: Vec<usize> = orders.collect();
    println!("{orders:?} orders: {OVERLAPPING:?}");
    assert!(orders.iter().all(|orders| *orders > 100));
}
