//! Counted references to kernel objects.
//!
//! An object lives in kernel memory ([`Storage`]) behind a header. Counted
//! references ([`Ref`], [`AnyRef`], [`Slot`]) keep it; when the last one goes,
//! the object goes to the [`Reaper`], which frees it when no CPU can still
//! hold a plain reference from the current kernel entry. So what is read out
//! of a [`Slot`] is a plain `&T`, good until the entry ends, with no counting.

use core::any::TypeId;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use crate::memory::Storage;
use crate::per_cpu::PerCpu;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, const_fn};

/// What stands before every object; `C` is the part that all kinds share.
#[repr(C)]
pub struct Header<C: 'static> {
    /// How many references there are, and [`DEAD`].
    count: AtomicUsize,
    kind: TypeId,
    size: usize,
    drop: unsafe fn(NonNull<Header<C>>),
    /// The next on the list that the object is on: of a [`Queue`], later of
    /// the [`Reaper`].
    next: AtomicPtr<Header<C>>,
    reaper: &'static Reaper<C>,
    common: C,
}

/// In the count: the object is on the [`Reaper`]'s list. Who still had a plain
/// reference may have made counted ones of it since.
const DEAD: usize = 1 << (usize::BITS - 1);

#[repr(C, align(64))]
struct Object<C: 'static, T> {
    header: Header<C>,
    value: T,
}

impl<C: 'static> Header<C> {
    /// The object, if it is a `T`.
    #[inline]
    pub fn downcast<T: 'static>(&self) -> Option<&T>
    where
        C: 'static,
    {
        if self.kind == TypeId::of::<T>() {
            // SAFETY: the header was made by `Ref::<C, T>::new` for this very
            // `T`, as the first field of an `Object<C, T>`.
            let object = unsafe { &*ptr::from_ref(self).cast::<Object<C, T>>() };
            Some(&object.value)
        } else {
            None
        }
    }

    /// The part that all kinds of objects have.
    #[inline]
    pub fn common(&self) -> &C {
        &self.common
    }

    /// True for the same object.
    #[inline]
    pub fn is(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }

    /// Off the reaper's list: true if there is no reference. Else the last one
    /// puts the object there again.
    fn leave_the_dead(&self) -> bool {
        let old = self.count.fetch_and(!DEAD, Ordering::Acquire);
        old == DEAD
    }

    /// One more counted reference.
    #[inline]
    pub fn any_ref(&self) -> AnyRef<C> {
        self.count.fetch_add(1, Ordering::Relaxed);
        AnyRef(NonNull::from(self))
    }
}

/// The bytes of storage that an object of type `T` takes.
pub const fn size_of_object<C: 'static, T>() -> usize {
    size_of::<Object<C, T>>()
}

/// A counted reference to an object of any kind.
pub struct AnyRef<C: 'static>(NonNull<Header<C>>);

// SAFETY: objects are shared between CPUs; what is in them is `Sync`, which
// `Ref::new` demands.
unsafe impl<C: Send + Sync + 'static> Send for AnyRef<C> {}
// SAFETY: likewise.
unsafe impl<C: Send + Sync + 'static> Sync for AnyRef<C> {}

impl<C: 'static> AnyRef<C> {
    /// As a plain reference that is good until the kernel entry ends.
    #[inline]
    pub fn get<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> &'cpu Header<C> {
        // SAFETY: counted now, and freed only when no `'cpu` borrow is left.
        unsafe { self.0.as_ref() }
    }

    fn into_raw(self) -> *mut Header<C> {
        let raw = self.0.as_ptr();
        core::mem::forget(self);
        raw
    }
}

impl<C: 'static> Deref for AnyRef<C> {
    type Target = Header<C>;
    #[inline]
    fn deref(&self) -> &Header<C> {
        // SAFETY: counted.
        unsafe { self.0.as_ref() }
    }
}

impl<C: 'static> Clone for AnyRef<C> {
    fn clone(&self) -> Self {
        self.any_ref()
    }
}

impl<C: 'static> Drop for AnyRef<C> {
    #[inline]
    fn drop(&mut self) {
        let count = &self.deref().count;
        // Release: what this holder did is before the free. The reaper's
        // exchange has the acquire. It is dead if nobody has made another
        // reference, nor found it dead, in between.
        if count.fetch_sub(1, Ordering::Release) == 1
            && count
                .compare_exchange(0, DEAD, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        {
            self.deref().reaper.push(self.0);
        }
    }
}

/// A counted reference to an object of type `T`.
pub struct Ref<C: 'static, T> {
    any: AnyRef<C>,
    kind: PhantomData<fn() -> T>,
}

impl<C: Send + Sync + 'static, T: Send + Sync + 'static> Ref<C, T> {
    /// Makes an object in `storage`. Gives the storage back if it is too
    /// small.
    pub fn new(
        storage: Storage,
        reaper: &'static Reaper<C>,
        common: C,
        value: T,
    ) -> Result<Self, Storage> {
        if storage.size() < size_of::<Object<C, T>>() {
            return Err(storage);
        }
        let (start, size) = storage.into_raw();
        let object = start.cast::<Object<C, T>>();
        // SAFETY: the storage is large enough, aligned, and ours alone.
        unsafe {
            object.write(Object {
                header: Header {
                    count: AtomicUsize::new(1),
                    kind: TypeId::of::<T>(),
                    size,
                    drop: drop_value::<C, T>,
                    next: AtomicPtr::new(ptr::null_mut()),
                    reaper,
                    common,
                },
                value,
            });
        }
        Ok(Self {
            any: AnyRef(object.cast()),
            kind: PhantomData,
        })
    }
}

/// Drops the value behind a header, but not the header.
///
/// # Safety
/// The header is that of an `Object<C, T>` that nothing refers to any more.
unsafe fn drop_value<C: 'static, T>(header: NonNull<Header<C>>) {
    // SAFETY: promised by the caller.
    unsafe { (&raw mut (*header.cast::<Object<C, T>>().as_ptr()).value).drop_in_place() };
}

impl<C: 'static, T> Ref<C, T> {
    /// As a plain reference that is good until the kernel entry ends.
    #[inline]
    pub fn get<'cpu, L>(&self, cpu: &'cpu PerCpu<L>) -> &'cpu T {
        let header: &'cpu Header<C> = self.any.get(cpu);
        // SAFETY: a `Ref<C, T>` is only made for an `Object<C, T>`.
        let object = unsafe { &*ptr::from_ref(header).cast::<Object<C, T>>() };
        &object.value
    }

    /// The header.
    #[inline]
    pub fn header(&self) -> &Header<C> {
        &self.any
    }

    /// The same reference, of no particular kind.
    pub fn into_any(self) -> AnyRef<C> {
        self.any
    }
}

impl<C: 'static, T: 'static> Ref<C, T> {
    /// A reference to `value`'s object, if it is in one whose header is
    /// `header`.
    pub fn from_header(header: &Header<C>) -> Option<Self> {
        header.downcast::<T>()?;
        Some(Self {
            any: header.any_ref(),
            kind: PhantomData,
        })
    }
}

impl<C: 'static, T> Deref for Ref<C, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a `Ref<C, T>` is only made for an `Object<C, T>`, and it
        // counts.
        let object = unsafe { self.any.0.cast::<Object<C, T>>().as_ref() };
        &object.value
    }
}

impl<C: 'static, T> Clone for Ref<C, T> {
    fn clone(&self) -> Self {
        Self {
            any: self.any.clone(),
            kind: PhantomData,
        }
    }
}

/// A place for a counted reference and eight bits that go with it, changed
/// and read as one word.
pub struct Slot<C: 'static> {
    /// The object's address shifted left by eight, and the bits below. Kernel
    /// addresses have 48 significant bits, so nothing is lost.
    word: AtomicU64,
    object: PhantomData<AnyRef<C>>,
}

impl<C: 'static> Slot<C> {
    const_fn! {
        /// An empty place.
        pub fn empty() -> Self {
            Self {
                word: AtomicU64::new(0),
                object: PhantomData,
            }
        }
    }

    #[inline]
    fn pointer(word: u64) -> *mut Header<C> {
        // The shift is arithmetic: upper-half addresses get their ones back.
        ptr::with_exposed_provenance_mut(((word as i64) >> 8) as usize)
    }

    /// The object and the bits, if there is one.
    #[inline]
    pub fn get<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<(&'cpu Header<C>, u8)> {
        let word = self.word.load(Ordering::Acquire);
        // SAFETY: the place holds a counted reference or nothing; an object
        // whose count falls to zero is freed only when no `'cpu` borrow is
        // left.
        let object = unsafe { Self::pointer(word).as_ref() }?;
        Some((object, word as u8))
    }

    /// True if nothing is here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.word.load(Ordering::Relaxed) == 0
    }

    /// Puts something else here; what was here comes back.
    pub fn replace(&self, new: Option<(AnyRef<C>, u8)>) -> Option<(AnyRef<C>, u8)> {
        let word = new.map_or(0, |(object, bits)| {
            ((object.into_raw().expose_provenance() as u64) << 8) | u64::from(bits)
        });
        let old = self.word.swap(word, Ordering::AcqRel);
        NonNull::new(Self::pointer(old)).map(|object| (AnyRef(object), old as u8))
    }

    /// Changes the bits, if something is here.
    pub fn set_bits(&self, bits: u8) {
        let word = self.word.load(Ordering::Relaxed);
        if word != 0 {
            self.word
                .store((word & !0xff) | u64::from(bits), Ordering::Release);
        }
    }
}

impl<C: 'static> Drop for Slot<C> {
    fn drop(&mut self) {
        self.replace(None);
    }
}

/// A place for a counted reference to an object of one kind.
pub struct RefSlot<C: 'static, T: 'static> {
    object: AtomicPtr<Object<C, T>>,
}

impl<C: 'static, T: 'static> RefSlot<C, T> {
    const_fn! {
        /// An empty place.
        pub fn empty() -> Self {
            Self {
                object: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// The object that is here.
    #[inline]
    pub fn get<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<&'cpu T> {
        // SAFETY: as in `Slot::get`.
        let object = unsafe { self.object.load(Ordering::Acquire).as_ref() }?;
        Some(&object.value)
    }

    /// The header of the object that is here.
    #[inline]
    pub fn header<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<&'cpu Header<C>> {
        // SAFETY: as in `Slot::get`.
        let object = unsafe { self.object.load(Ordering::Acquire).as_ref() }?;
        Some(&object.header)
    }

    /// True if nothing is here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.object.load(Ordering::Relaxed).is_null()
    }

    /// Puts something else here; what was here comes back.
    pub fn replace(&self, new: Option<Ref<C, T>>) -> Option<Ref<C, T>> {
        let new = new.map_or(ptr::null_mut(), |new| new.into_any().into_raw().cast());
        let old = self.object.swap(new, Ordering::AcqRel);
        Some(Ref {
            any: AnyRef(NonNull::new(old.cast())?),
            kind: PhantomData,
        })
    }
}

impl<C: 'static, T: 'static> Drop for RefSlot<C, T> {
    fn drop(&mut self) {
        self.replace(None);
    }
}

impl<C: 'static> Default for Slot<C> {
    fn default() -> Self {
        Self::empty()
    }
}

/// Objects that one CPU has yet to do something with, each kept by a counted
/// reference. An object is on one queue once in its life.
pub struct Queue<C: 'static> {
    first: AtomicPtr<Header<C>>,
}

impl<C: 'static> Queue<C> {
    const_fn! {
        /// Nothing queued.
        pub fn new() -> Self {
            Self {
                first: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// True if nothing is queued.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first.load(Ordering::Relaxed).is_null()
    }

    /// Queues `object`.
    pub fn push(&self, object: AnyRef<C>) {
        let object = object.into_raw();
        let first = self.first.swap(object, Ordering::Relaxed);
        // SAFETY: counted by the queue from here on.
        unsafe { &*object }.next.store(first, Ordering::Relaxed);
    }

    /// Takes the object that was queued last.
    pub fn pop(&self) -> Option<AnyRef<C>> {
        let first = NonNull::new(self.first.load(Ordering::Relaxed))?;
        // SAFETY: counted by the queue.
        let next = unsafe { first.as_ref() }.next.load(Ordering::Relaxed);
        self.first.store(next, Ordering::Relaxed);
        Some(AnyRef(first))
    }
}

impl<C: 'static> Default for Queue<C> {
    fn default() -> Self {
        Self::new()
    }
}

/// Objects without references that wait to be freed.
pub struct Reaper<C: 'static> {
    dead: AtomicPtr<Header<C>>,
}

impl<C: 'static> Reaper<C> {
    const_fn! {
        /// Nothing waits.
        pub fn new() -> Self {
            Self {
                dead: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// True if nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.dead.load(Ordering::Relaxed).is_null()
    }

    fn push(&self, object: NonNull<Header<C>>) {
        let mut head = self.dead.load(Ordering::Relaxed);
        loop {
            // SAFETY: the count fell to zero, so the object is the reaper's.
            unsafe { object.as_ref() }
                .next
                .store(head, Ordering::Relaxed);
            match self.dead.compare_exchange_weak(
                head,
                object.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes all dead objects. The exclusive borrow shows that this CPU holds
    /// no plain references; that the others do not either is the caller's
    /// grace period.
    pub fn take<L>(&self, _cpu: &mut PerCpu<L>) -> DeadObjects<C> {
        DeadObjects(self.dead.swap(ptr::null_mut(), Ordering::Acquire))
    }
}

/// Objects to be freed; all have to be.
#[must_use]
pub struct DeadObjects<C: 'static>(*mut Header<C>);

impl<C: 'static> Iterator for DeadObjects<C> {
    type Item = Dead<C>;

    fn next(&mut self) -> Option<Dead<C>> {
        loop {
            let object = NonNull::new(self.0)?;
            // SAFETY: dead objects stay until they are freed, which only
            // happens to those that this gives out.
            let header = unsafe { object.as_ref() };
            self.0 = header.next.load(Ordering::Relaxed);
            if header.leave_the_dead() {
                return Some(Dead(object));
            }
        }
    }
}

impl<C: 'static> Drop for DeadObjects<C> {
    fn drop(&mut self) {
        debug_assert!(self.0.is_null(), "dead objects were not freed");
    }
}

/// An object that nothing refers to any more, not freed yet.
#[must_use]
pub struct Dead<C: 'static>(NonNull<Header<C>>);

impl<C: 'static> Dead<C> {
    /// The object, if it is a `T`, to take apart what it has.
    pub fn downcast<T: 'static>(&mut self) -> Option<&mut T> {
        // SAFETY: still there.
        unsafe { self.0.as_ref() }.downcast::<T>()?;
        // SAFETY: it is an `Object<C, T>`, and ours alone.
        Some(unsafe { &mut (*self.0.cast::<Object<C, T>>().as_ptr()).value })
    }

    /// Drops the object; gives its memory, and what it had in common with all
    /// objects.
    pub fn free(self) -> (Storage, C) {
        // SAFETY: still there, and ours alone.
        let header = unsafe { self.0.as_ref() };
        let (drop, size) = (header.drop, header.size);
        // SAFETY: `drop` is that of the object's own type. The other fields
        // of the header need no drop, and what is common is moved out.
        unsafe {
            drop(self.0);
            let common = (&raw const (*self.0.as_ptr()).common).read();
            (Storage::from_raw(self.0.cast(), size), common)
        }
    }
}

impl<C: 'static> Default for Reaper<C> {
    fn default() -> Self {
        Self::new()
    }
}

/// In what [`Link`]s point to: how many do.
pub struct Anchor(AtomicU32);

impl Anchor {
    const_fn! {
        /// Nothing points here.
        pub fn new() -> Self {
            Self(AtomicU32::new(0))
        }
    }
}

impl Default for Anchor {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        assert!(
            self.0.load(Ordering::Relaxed) == 0,
            "an object was freed while linked"
        );
    }
}

/// What a [`Link`] can point to.
pub trait Anchored {
    /// Always the same field of the object that is passed in.
    fn anchor(&self) -> &Anchor;
}

/// A pointer to an object on the same CPU that does not keep it: whoever ends
/// the object clears the pointer first, which the object's [`Anchor`] checks.
/// Cheaper than a counted reference, because nothing is locked.
pub struct Link<T>(AtomicPtr<T>);

impl<T: Anchored> Link<T> {
    const_fn! {
        /// Points nowhere.
        pub fn new() -> Self {
            Self(AtomicPtr::new(ptr::null_mut()))
        }
    }

    /// What it points to.
    #[inline]
    pub fn get<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<&'cpu T> {
        // SAFETY: the object is alive, because its anchor counts this link,
        // and it is not freed before `'cpu` ends.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }

    /// True if it points to `object`.
    #[inline]
    pub fn is(&self, object: &T) -> bool {
        ptr::eq(self.0.load(Ordering::Relaxed), object)
    }

    /// True if it points nowhere.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null()
    }

    /// Lets it point to `new`. Links to an object are only changed on the
    /// object's home CPU, so counting needs no lock.
    #[inline]
    pub fn set(&self, new: Option<&T>) {
        // SAFETY: as in `get`; the reference is used right here.
        if let Some(old) = unsafe { self.0.load(Ordering::Relaxed).as_ref() } {
            let count = &old.anchor().0;
            count.store(
                count.load(Ordering::Relaxed).wrapping_sub(1),
                Ordering::Relaxed,
            );
        }
        if let Some(new) = new {
            let count = &new.anchor().0;
            count.store(
                count.load(Ordering::Relaxed).wrapping_add(1),
                Ordering::Relaxed,
            );
        }
        let new = new.map_or(ptr::null_mut(), |new| ptr::from_ref(new).cast_mut());
        self.0.store(new, Ordering::Relaxed);
    }
}

impl<T: Anchored> Default for Link<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
