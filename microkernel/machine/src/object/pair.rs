//! Pairs: two items that know each other until one of them ends that, on
//! whatever CPU. Neither keeps the other.
//!
//! That the left half names the right one *is* the pair: whoever empties the
//! left half has ended it, and empties the right one too. What is read out of
//! a half is good for the kernel entry, because an item is freed only after
//! both halves are empty and every CPU has left the kernel.

use core::ptr;

use crate::per_cpu::PerCpu;
use crate::sync::{AtomicPtr, Ordering, const_fn, spin_loop};

/// In an item: the other one of its pair.
pub struct Half<Other>(AtomicPtr<Other>);

impl<Other> Half<Other> {
    const_fn! {
        /// In no pair.
        pub fn new() -> Self {
            Self(AtomicPtr::new(ptr::null_mut()))
        }
    }

    /// The other one, if there is one. It may be parting.
    #[inline]
    pub fn get<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<&'cpu Other> {
        // SAFETY: it is not freed while a half names it, and when that has
        // ended, not before `'cpu` has.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// True if the other one is `item`.
    #[inline]
    pub fn is(&self, item: &Other) -> bool {
        ptr::eq(self.0.load(Ordering::Relaxed), item)
    }

    /// True if it is in no pair.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Acquire).is_null()
    }
}

impl<Other> Drop for Half<Other> {
    fn drop(&mut self) {
        assert!(self.is_empty(), "an item was freed while in a pair");
    }
}

/// What can be in a pair with an `Other`.
pub trait Paired<Other> {
    /// Always the same field of the item that is passed in.
    fn half(&self) -> &Half<Other>;
}

/// The right item of a pair that has just been ended from the left. It counts
/// as paired until this is dropped, for which the other side waits.
pub struct Parted<'cpu, Left, Right: Paired<Left>> {
    right: &'cpu Right,
    left: core::marker::PhantomData<fn(&Left)>,
}

impl<'cpu, Left, Right: Paired<Left>> Parted<'cpu, Left, Right> {
    /// The item, for longer.
    pub fn get(&self) -> &'cpu Right {
        self.right
    }
}

impl<Left, Right: Paired<Left>> Drop for Parted<'_, Left, Right> {
    #[inline]
    fn drop(&mut self) {
        self.right
            .half()
            .0
            .store(ptr::null_mut(), Ordering::Release);
    }
}

/// Makes a pair. The item that `left` was in a pair with before comes back.
///
/// # Panics
/// If `right` is in a pair. Only one CPU at a time makes pairs with it.
#[inline]
pub fn join<'cpu, L, Left: Paired<Right>, Right: Paired<Left>>(
    _cpu: &'cpu PerCpu<L>,
    left: &Left,
    right: &Right,
) -> Option<Parted<'cpu, Left, Right>> {
    assert!(right.half().is_empty(), "an item was put into two pairs");
    let named = ptr::from_ref(left).cast_mut();
    right.half().0.store(named, Ordering::Release);
    parted(left, ptr::from_ref(right).cast_mut())
}

/// Ends the pair of `left`, if it is in one; the item that it was with.
#[inline]
pub fn part<'cpu, L, Left: Paired<Right>, Right: Paired<Left>>(
    _cpu: &'cpu PerCpu<L>,
    left: &Left,
) -> Option<Parted<'cpu, Left, Right>> {
    parted(left, ptr::null_mut())
}

/// The same, if `right` is the item that `left` is in a pair with.
pub fn part_from<'cpu, Left: Paired<Right>, Right: Paired<Left>>(
    left: &Left,
    right: &'cpu Right,
) -> Option<Parted<'cpu, Left, Right>> {
    let named = ptr::from_ref(right).cast_mut();
    let ended =
        left.half()
            .0
            .compare_exchange(named, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed);
    ended.ok().map(|_| Parted {
        right,
        left: core::marker::PhantomData,
    })
}

#[inline]
fn parted<'cpu, Left: Paired<Right>, Right: Paired<Left>>(
    left: &Left,
    new: *mut Right,
) -> Option<Parted<'cpu, Left, Right>> {
    let old = left.half().0.swap(new, Ordering::AcqRel);
    // SAFETY: its half names `left` until `Parted` is dropped, which its own
    // drop checks; and it is freed only when no `'cpu` borrow is left.
    let right = unsafe { old.as_ref() }?;
    Some(Parted {
        right,
        left: core::marker::PhantomData,
    })
}

/// [`join`] where nobody else touches either half meanwhile, and `left` is in
/// no pair: else what it was in a pair with could never be freed.
///
/// # Panics
/// If `right` is in a pair.
#[inline(always)]
pub fn join_here<Left: Paired<Right>, Right: Paired<Left>>(left: &Left, right: &Right) {
    debug_assert!(left.half().is_empty(), "an item was put into two pairs");
    assert!(right.half().is_empty(), "an item was put into two pairs");
    let (left_half, right_half) = (&left.half().0, &right.half().0);
    right_half.store(ptr::from_ref(left).cast_mut(), Ordering::Release);
    left_half.store(ptr::from_ref(right).cast_mut(), Ordering::Release);
}

/// Ends the pair of `left` and `right` where nobody else touches either half
/// meanwhile.
///
/// # Panics
/// If `right` is in no pair with `left`.
#[inline(always)]
pub fn part_here<Left: Paired<Right>, Right: Paired<Left>>(left: &Left, right: &Right) {
    debug_assert!(left.half().is(right), "not a pair");
    assert!(right.half().is(left), "not a pair");
    left.half().0.store(ptr::null_mut(), Ordering::Release);
    right.half().0.store(ptr::null_mut(), Ordering::Release);
}

/// What came of leaving a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It was in none.
    Single,
    /// This ended it.
    Left,
    /// Another CPU has just ended it from the left.
    TooLate,
}

/// Ends the pair of `right` from its side. Afterwards it is in none: another
/// CPU that ends it from the left, in a few instructions, is waited for.
#[inline]
pub fn leave<L, Left: Paired<Right>, Right: Paired<Left>>(cpu: &PerCpu<L>, right: &Right) -> Leave {
    let Some(left) = right.half().get(cpu) else {
        return Leave::Single;
    };
    let own = ptr::from_ref(right).cast_mut();
    match left
        .half()
        .0
        .compare_exchange(own, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed)
    {
        Ok(_) => {
            right.half().0.store(ptr::null_mut(), Ordering::Release);
            Leave::Left
        }
        Err(_) => {
            while !right.half().is_empty() {
                spin_loop();
            }
            Leave::TooLate
        }
    }
}

#[cfg(test)]
#[path = "pair/tests.rs"]
mod tests;
