//! Places for counted references, changed and read as one word.

use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use super::{AnyRef, Header, Object, Ref};
use crate::per_cpu::PerCpu;
use crate::sync::{AtomicPtr, AtomicU64, Ordering, const_fn};

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

    /// Puts `object` here if nothing is; else gives it back.
    pub fn fill(&self, object: AnyRef<C>, bits: u8) -> Result<(), AnyRef<C>> {
        let raw = object.into_raw();
        let word = ((raw.expose_provenance() as u64) << 8) | u64::from(bits);
        match self
            .word
            .compare_exchange(0, word, Ordering::AcqRel, Ordering::Relaxed)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(AnyRef::from_raw(raw)),
        }
    }

    /// Changes the bits, if something is here. Whoever else may change what
    /// is here meanwhile is kept out by the caller.
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
        if !self.is_empty() {
            self.replace(None);
        }
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

    /// A place that holds `object`.
    #[inline]
    pub fn new(object: Option<Ref<C, T>>) -> Self {
        let object = object.map_or(ptr::null_mut(), |object| {
            object.into_any().into_raw().cast()
        });
        Self {
            object: AtomicPtr::new(object),
        }
    }

    /// The object that is here.
    #[inline]
    pub fn get<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<&'cpu T> {
        // SAFETY: as in `Slot::get`.
        let object = unsafe { self.object.load(Ordering::Acquire).as_ref() }?;
        Some(&object.value)
    }

    /// True if `object` is here.
    #[inline]
    pub fn is(&self, object: &T) -> bool {
        let here = self.object.load(Ordering::Relaxed);
        let offset = core::mem::offset_of!(Object<C, T>, value);
        here.addr() + offset == ptr::from_ref(object).addr()
    }

    /// A further counted reference to the object that is here.
    #[inline]
    pub fn counted<L>(&self, cpu: &PerCpu<L>) -> Option<Ref<C, T>> {
        Some(Ref {
            any: self.header(cpu)?.any_ref(),
            kind: PhantomData,
        })
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
    #[inline]
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
    #[inline]
    fn drop(&mut self) {
        if !self.is_empty() {
            self.replace(None);
        }
    }
}
