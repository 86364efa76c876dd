//! Thread-local values.

use alloc::boxed::Box;
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::block;

/// Thread-local values that a program can have.
const MAX_LOCALS: usize = 32;

/// Declares values of which every thread has its own, made when it first uses it:
/// `thread_local! { static DEPTH: Cell<u32> = Cell::new(0); }`.
#[macro_export]
macro_rules! thread_local {
    ($($(#[$meta:meta])* $visibility:vis static $name:ident: $kind:ty = $value:expr;)+) => {
        $(
            $(#[$meta])*
            $visibility static $name: $crate::thread::LocalKey<$kind> =
                $crate::thread::LocalKey::new(|| $value);
        )+
    };
}

/// Names a thread-local value, see [`thread_local!`](crate::thread_local!).
pub struct LocalKey<T: 'static> {
    /// Place in each thread's table plus one; 0 before the first use.
    place: AtomicUsize,
    initial: fn() -> T,
}

static NEXT_PLACE: AtomicUsize = AtomicUsize::new(1);

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn new(initial: fn() -> T) -> Self {
        Self {
            place: AtomicUsize::new(0),
            initial,
        }
    }

    /// Runs `body` with the calling thread's value.
    ///
    /// # Panics
    /// If the program has more than 32 different thread-local values.
    pub fn with<R>(&'static self, body: impl FnOnce(&T) -> R) -> R {
        let place = self.place();
        let locals = &block::current().locals;
        if locals.get(place).is_null() {
            // The initial value may use other thread-local values, so it is made first.
            let value = Box::into_raw(Box::new((self.initial)()));
            locals.set(place, value.cast(), drop_value::<T>);
        }
        // SAFETY: the place belongs to this key alone, so it holds a `T`, which lives until the
        // thread ends; it is shared only within the thread.
        body(unsafe { &*locals.get(place).cast::<T>() })
    }

    fn place(&self) -> usize {
        let mut place = self.place.load(Ordering::Relaxed);
        if place == 0 {
            let new = NEXT_PLACE.fetch_add(1, Ordering::Relaxed);
            // If another thread was faster its place counts, and this one stays unused.
            place = match self
                .place
                .compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => new,
                Err(other) => other,
            };
        }
        assert!(
            place <= MAX_LOCALS,
            "more than {MAX_LOCALS} thread-local values"
        );
        place - 1
    }
}

/// # Safety
/// `value` came from a `Box<T>`.
unsafe fn drop_value<T>(value: *mut ()) {
    // SAFETY: by the contract.
    drop(unsafe { Box::from_raw(value.cast::<T>()) });
}

type Entry = (*mut (), unsafe fn(*mut ()));

/// The values of one thread.
pub(super) struct Locals {
    entries: [Cell<Option<Entry>>; MAX_LOCALS],
}

impl Locals {
    pub(super) const fn new() -> Self {
        Self {
            entries: [const { Cell::new(None) }; MAX_LOCALS],
        }
    }

    fn get(&self, place: usize) -> *mut () {
        self.entries[place]
            .get()
            .map_or(ptr::null_mut(), |(value, _)| value)
    }

    fn set(&self, place: usize, value: *mut (), drop: unsafe fn(*mut ())) {
        self.entries[place].set(Some((value, drop)));
    }

    /// Drops all values; those that are made again meanwhile stay.
    pub(super) fn drop_all(&self) {
        for entry in &self.entries {
            if let Some((value, drop)) = entry.take() {
                // SAFETY: the pair was put there by `with`.
                unsafe { drop(value) };
            }
        }
    }
}
