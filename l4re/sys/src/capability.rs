//! Typed capabilities.
//!
//! A type that implements [`Object`] is a selector that knows what it names and has that object's
//! operations as methods. [`Cap<T>`] is such a selector to copy around freely; [`OwnedCap<T>`]
//! owns its slot: dropped, it unmaps the capability and gives the slot back; [`Slot`] is an owned
//! slot with nothing in it yet, the place for a capability to arrive in.

use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::ops::Deref;

use l4_abi::capability::Selector;
use l4_abi::error::ResultCode;
use l4_abi::item::{MapItem, ReceiveBuffer};
use l4_abi::rights::CapabilityRights;

use crate::Result;
use crate::object::Task;
use crate::slots::SLOTS;

/// Something a capability can name. [`object!`](crate::object!) makes such types.
pub trait Object: Copy {
    /// Takes the selector to name an object of this kind.
    fn from_selector(selector: Selector) -> Self;
    /// The selector.
    fn selector(&self) -> Selector;
}

/// Defines types for [`Object`]s: a transparent selector without methods.
#[macro_export]
macro_rules! object {
    ($($(#[$meta:meta])* $visibility:vis struct $name:ident;)+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[repr(transparent)]
            $visibility struct $name($crate::Selector);

            impl $crate::Object for $name {
                #[inline(always)]
                fn from_selector(selector: $crate::Selector) -> Self {
                    Self(selector)
                }

                #[inline(always)]
                fn selector(&self) -> $crate::Selector {
                    self.0
                }
            }
        )+
    };
}

object! {
    /// An object of any kind; what is known of it is only that a capability names it.
    pub struct AnyObject;
}

/// A capability to a `T`, not owned: a selector with a type. Costs nothing.
#[derive(PartialEq, Eq)]
#[repr(transparent)]
pub struct Cap<T>(T);

impl<T: Copy> Clone for Cap<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Copy> Copy for Cap<T> {}

impl<T: Object> Cap<T> {
    /// Takes `selector` to name a `T`. If it names something else, its operations fail.
    #[inline(always)]
    pub fn new(selector: Selector) -> Self {
        Self(T::from_selector(selector))
    }

    /// The capability in slot `index`.
    pub fn at(index: u64) -> Self {
        Self::new(Selector::new(index))
    }

    /// Takes a selector word from a structure; `None` if it names no slot.
    ///
    /// Loaders leave missing capabilities invalid or zero, and mark some selectors in bits that
    /// the kernel ignores (`abi/08` §8).
    pub fn from_word(word: u64) -> Option<Self> {
        let selector = Selector::from_raw(word);
        (selector.is_valid() && selector.index() != 0).then(|| Self::at(selector.index()))
    }

    /// The same capability taken for another kind of object.
    pub fn cast<U: Object>(self) -> Cap<U> {
        Cap::new(self.selector())
    }

    /// The capability as an argument of a message, with these rights.
    ///
    /// The object rights (bits 7..5) are passed as far as they are named.
    pub fn pass(self, rights: CapabilityRights) -> Passed<T> {
        Passed {
            item: MapItem::capability(self.selector().index(), rights),
            object: PhantomData,
        }
    }
}

impl<T> Cap<T> {
    /// The capability that `object` names, in constants.
    pub const fn from_object(object: T) -> Self {
        Self(object)
    }
}

impl<T> Deref for Cap<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Object> fmt::Debug for Cap<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Cap({:#x})", self.selector().index())
    }
}

/// A capability on its way to somebody else: what is passed, and with which rights.
pub struct Passed<T> {
    pub(crate) item: MapItem,
    object: PhantomData<T>,
}

impl<T> Clone for Passed<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Passed<T> {}

impl<T> Passed<T> {
    /// The typed item of the message.
    pub fn item(&self) -> MapItem {
        self.item
    }

    /// The same, taken for another kind of object.
    pub fn cast<U>(self) -> Passed<U> {
        Passed {
            item: self.item,
            object: PhantomData,
        }
    }
}

/// A plain capability argument has the R right only (`abi/08` §1).
impl<T: Object> From<Cap<T>> for Passed<T> {
    fn from(capability: Cap<T>) -> Self {
        capability.pass(CapabilityRights::READ)
    }
}

/// An owned capability slot, a place for a capability to arrive in.
///
/// Dropped, it is emptied: a transfer may have filled it before it failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Slot(Selector);

impl Slot {
    /// Takes a free slot of this task. Error: ENOMEM if all are in use.
    pub fn allocate() -> Result<Self> {
        SLOTS.allocate().map(Self).ok_or(ResultCode::ENOMEM.into())
    }

    /// Its selector.
    pub fn selector(&self) -> Selector {
        self.0
    }

    /// The receive buffer word that makes a capability arrive here.
    pub fn buffer(&self) -> u64 {
        ReceiveBuffer::slot_word(self.0.index(), false)
    }

    /// Says that a capability to a `T` has arrived here.
    pub fn filled<T: Object>(self) -> OwnedCap<T> {
        let selector = self.0;
        mem::forget(self);
        OwnedCap::from_selector(selector)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        release(self.0);
    }
}

/// A capability that owns its slot.
///
/// Dropping it leaves the message registers as they were, so that it may happen anywhere.
#[derive(PartialEq, Eq)]
pub struct OwnedCap<T: Object>(Cap<T>);

impl<T: Object> OwnedCap<T> {
    /// Takes over the slot of `selector`.
    pub fn from_selector(selector: Selector) -> Self {
        Self(Cap::new(selector))
    }

    /// The capability, still owned by this value.
    pub fn as_cap(&self) -> Cap<T> {
        self.0
    }

    /// Keeps capability and slot for ever.
    pub fn leak(self) -> Cap<T> {
        let capability = self.0;
        mem::forget(self);
        capability
    }

    /// The same capability taken for another kind of object.
    pub fn cast<U: Object>(self) -> OwnedCap<U> {
        OwnedCap(self.leak().cast())
    }

    /// Destroys the object, if the capability has the D right, with all capabilities to it.
    pub fn delete(self) {
        let selector = self.leak().selector();
        let _ = Task::SELF.delete_object(selector);
        SLOTS.free(selector);
    }
}

impl<T: Object> Deref for OwnedCap<T> {
    type Target = Cap<T>;

    #[inline(always)]
    fn deref(&self) -> &Cap<T> {
        &self.0
    }
}

impl<T: Object> fmt::Debug for OwnedCap<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OwnedCap({:#x})", self.selector().index())
    }
}

impl<T: Object> Drop for OwnedCap<T> {
    fn drop(&mut self) {
        release(self.selector());
    }
}

/// Empties and frees a slot. If it cannot be emptied it is lost instead of handed out again.
fn release(selector: Selector) {
    if Task::SELF.release(selector).is_ok() {
        SLOTS.free(selector);
    }
}
