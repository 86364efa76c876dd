//! Threads: results, locals, a contended lock, more of them than the first UTCBs and slots allow.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use l4_rt::sync::Mutex;
use l4_rt::thread::{self, Builder};
use l4_rt::{println, time};
use l4_sys::Object;
use l4_sys::slots::SLOTS;

pub(crate) fn check() -> l4_rt::Result {
    println!("threads");
    assert_eq!(thread::spawn(|| 6 * 7)?.join()?, 42);
    locals()?;
    contention()?;
    many_at_once()?;
    many_in_turn()?;
    detached()
}

static DROPPED: AtomicU32 = AtomicU32::new(0);

struct Counted(Cell<u32>);

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

l4_rt::thread_local! {
    static NUMBER: Cell<u32> = Cell::new(1);
    static COUNTED: Counted = Counted(Cell::new(0));
}

fn locals() -> l4_rt::Result {
    NUMBER.with(|number| number.set(100));
    let mut threads = Vec::new();
    for value in 2..6 {
        threads.push(thread::spawn(move || {
            assert_eq!(NUMBER.with(Cell::get), 1);
            NUMBER.with(|number| number.set(value));
            COUNTED.with(|counted| counted.0.set(value));
            time::sleep(Duration::from_millis(2));
            NUMBER.with(Cell::get)
        })?);
    }
    for (value, thread) in (2..6).zip(threads) {
        assert_eq!(thread.join()?, value);
    }
    assert_eq!(NUMBER.with(Cell::get), 100);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 4);
    Ok(())
}

fn contention() -> l4_rt::Result {
    const THREADS: u32 = 4;
    const ROUNDS: u32 = 200;
    let counter = Arc::new(Mutex::new((0_u32, 0_u32)));
    let mut threads = Vec::new();
    for _ in 0..THREADS {
        let counter = counter.clone();
        threads.push(thread::spawn(move || {
            for round in 0..ROUNDS {
                let mut held = counter.lock();
                held.0 += 1;
                if round % 50 == 0 {
                    // The others come and wait meanwhile.
                    time::sleep(Duration::from_millis(1));
                }
                held.1 += 1;
                assert_eq!(held.0, held.1);
            }
        })?);
    }
    for thread in threads {
        thread.join()?;
    }
    assert_eq!(counter.lock().0, THREADS * ROUNDS);
    Ok(())
}

/// More than the seven UTCBs that a loader leaves.
fn many_at_once() -> l4_rt::Result {
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock();
    let mut threads = Vec::new();
    for value in 0..12_u32 {
        let gate = gate.clone();
        threads.push(Builder::new().stack_size(16 << 10).spawn(move || {
            drop(gate.lock());
            value
        })?);
    }
    let slots: Vec<_> = threads
        .iter()
        .map(|thread| thread.thread().selector().index())
        .collect();
    assert!(
        slots
            .iter()
            .enumerate()
            .all(|(index, slot)| !slots[..index].contains(slot))
    );
    drop(held);
    for (value, thread) in (0..).zip(threads) {
        assert_eq!(thread.join()?, value);
    }
    Ok(())
}

/// Everything that a thread needs comes back.
fn many_in_turn() -> l4_rt::Result {
    thread::spawn(|| ())?.join()?;
    let used = SLOTS.used();
    for round in 0..100_u32 {
        assert_eq!(thread::spawn(move || round)?.join()?, round);
    }
    assert_eq!(SLOTS.used(), used);
    Ok(())
}

fn detached() -> l4_rt::Result {
    static FINISHED: AtomicU32 = AtomicU32::new(0);
    for _ in 0..20 {
        drop(thread::spawn(|| {
            FINISHED.fetch_add(1, Ordering::Relaxed);
        })?);
    }
    while FINISHED.load(Ordering::Relaxed) < 20 {
        time::sleep(Duration::from_millis(1));
    }
    Ok(())
}
