//! Pairs that are ended from both sides; with loom, on two CPUs in every order.

use super::*;

struct Place(Half<Caller>);
struct Caller(Half<Place>);

impl Paired<Caller> for Place {
    fn half(&self) -> &Half<Caller> {
        &self.0
    }
}

impl Paired<Place> for Caller {
    fn half(&self) -> &Half<Place> {
        &self.0
    }
}

#[cfg(not(loom))]
#[test]
fn a_pair_ends_from_either_side_once() {
    let cpu = PerCpu::new(0, ());
    let (place, caller) = (Place(Half::new()), Caller(Half::new()));
    assert!(join(&cpu, &place, &caller).is_none());
    assert!(place.0.is(&caller) && caller.0.is(&place));
    assert_eq!(leave(&cpu, &caller), Leave::Left);
    assert_eq!(leave(&cpu, &caller), Leave::Single);
    assert!(part(&cpu, &place).is_none());
    assert!(join(&cpu, &place, &caller).is_none());
    drop(part(&cpu, &place).expect("a pair"));
    assert_eq!(leave(&cpu, &caller), Leave::Single);
}

#[cfg(not(loom))]
#[test]
fn a_new_pair_displaces_the_old_one() {
    let cpu = PerCpu::new(0, ());
    let place = Place(Half::new());
    let (old, new) = (Caller(Half::new()), Caller(Half::new()));
    assert!(join(&cpu, &place, &old).is_none());
    let displaced = join(&cpu, &place, &new).expect("the old one");
    assert!(ptr::eq(displaced.get(), &raw const old));
    drop(displaced);
    assert!(old.0.is_empty() && new.0.is(&place));
    assert_eq!(leave(&cpu, &new), Leave::Left);
}

#[cfg(not(loom))]
#[test]
fn a_pair_that_is_another_one_by_now_stays() {
    let cpu = PerCpu::new(0, ());
    let place = Place(Half::new());
    let (old, new) = (Caller(Half::new()), Caller(Half::new()));
    assert!(join(&cpu, &place, &old).is_none());
    assert_eq!(leave(&cpu, &old), Leave::Left);
    assert!(join(&cpu, &place, &new).is_none());
    assert!(part_from(&place, &old).is_none());
    assert!(new.0.is(&place));
    drop(part_from(&place, &new).expect("a pair"));
    assert!(place.0.is_empty() && new.0.is_empty());
}

#[cfg(not(loom))]
#[test]
#[should_panic(expected = "freed while in a pair")]
fn an_item_in_a_pair_is_not_freed() {
    let cpu = PerCpu::new(0, ());
    let place = core::mem::ManuallyDrop::new(Place(Half::new()));
    let caller = Caller(Half::new());
    join(&cpu, &*place, &caller);
}

#[cfg(loom)]
mod loom {
    use std::sync::Arc;

    use ::loom::thread;

    use super::*;

    /// Both sides end a pair at the same time: one of them has ended it, and
    /// who leaves is in none then, whoever it was.
    #[test]
    fn one_of_two_ends_a_pair() {
        ::loom::model(|| {
            let both = Arc::new((Place(Half::new()), Caller(Half::new())));
            let cpu = PerCpu::new(0, ());
            assert!(join(&cpu, &both.0, &both.1).is_none());
            let other = both.clone();
            let left = thread::spawn(move || {
                let cpu = PerCpu::new(1, ());
                part(&cpu, &other.0).is_some()
            });
            let right = leave(&cpu, &both.1);
            assert!(both.1.0.is_empty());
            let left = left.join().expect("no panic");
            assert_eq!(left, right != Leave::Left);
            assert!(both.0.0.is_empty() && both.1.0.is_empty());
        });
    }

    /// A place gets another caller while the old one leaves: the old one is
    /// displaced or has left, and the new one is there.
    #[test]
    fn a_caller_leaves_while_it_is_displaced() {
        ::loom::model(|| {
            let all = Arc::new((Place(Half::new()), Caller(Half::new()), Caller(Half::new())));
            let cpu = PerCpu::new(0, ());
            assert!(join(&cpu, &all.0, &all.1).is_none());
            let other = all.clone();
            let left = thread::spawn(move || {
                let cpu = PerCpu::new(1, ());
                join(&cpu, &other.0, &other.2).is_some()
            });
            let right = leave(&cpu, &all.1);
            let displaced = left.join().expect("no panic");
            assert_eq!(displaced, right != Leave::Left);
            assert!(all.1.0.is_empty() && all.0.0.is(&all.2) && all.2.0.is(&all.0));
            assert_eq!(leave(&cpu, &all.2), Leave::Left);
        });
    }
}
