//! How each type travels in an answer.
//!
//! | Declared | The server's method returns | The client gets | In the message |
//! |---|---|---|---|
//! | `()` | `()` | `()` | nothing |
//! | `u8` … `i64`, `bool` | the value | the value | aligned to its size |
//! | [`Bytes`] | [`Bytes`] | [`Bytes`] | u64 length, the bytes |
//! | `OwnedCap<T>` | [`Passed<T>`] | [`OwnedCap<T>`] | typed item |
//! | [`Pages`] | a map item | [`ReceivedItem`] | typed item, mapped into a window |
//! | [`Label`] | `Label` | `Label` | the label of the answer |
//! | [`NoAnswer`] | `()` | `()` | the request is sent, not called |
//! | a tuple | a tuple | a tuple | one after the other |

use l4_abi::error::ResultCode;
use l4_abi::item::{Delivery, MapItem, ReceivedItem};
use l4_sys::{Object, OwnedCap, Passed, Slot};

use crate::scalar::Plain;
use crate::{Bytes, Outcome, Reader, Writer};

/// A type that an interface can declare for a result.
pub trait Output {
    /// What the server's method returns.
    type Given;
    /// What the client sets up before the call.
    type Prepared: Default;
    /// What the client gets.
    type Taken;
    /// Whether the request has no answer at all.
    const SEND_ONLY: bool = false;

    /// Arms what the answer needs to arrive.
    #[inline(always)]
    fn prepare(_writer: &mut Writer) -> Outcome<Self::Prepared> {
        Ok(Self::Prepared::default())
    }
    /// Writes it into an answer.
    fn write(given: Self::Given, writer: &mut Writer) -> Outcome<()>;
    /// Takes it out of an answer.
    fn read(prepared: Self::Prepared, reader: &mut Reader) -> Outcome<Self::Taken>;
}

impl<T: Plain> Output for T {
    type Given = T;
    type Prepared = ();
    type Taken = T;

    #[inline(always)]
    fn write(given: T, writer: &mut Writer) -> Outcome<()> {
        Plain::write(given, writer)
    }

    #[inline(always)]
    fn read((): (), reader: &mut Reader) -> Outcome<T> {
        Plain::read(reader)
    }
}

impl Output for Bytes {
    type Given = Bytes;
    type Prepared = ();
    type Taken = Bytes;

    fn write(given: Bytes, writer: &mut Writer) -> Outcome<()> {
        writer.scalar(given.len() as u64)?;
        writer.bytes(&given)
    }

    fn read((): (), reader: &mut Reader) -> Outcome<Bytes> {
        let length = reader.scalar::<u64>()?;
        Bytes::read(length, reader)
    }
}

impl<T: Object> Output for OwnedCap<T> {
    type Given = Passed<T>;
    type Prepared = Option<Slot>;
    type Taken = OwnedCap<T>;

    #[inline(always)]
    fn prepare(writer: &mut Writer) -> Outcome<Option<Slot>> {
        let slot = Slot::allocate()?;
        writer.buffer_word(slot.buffer())?;
        Ok(Some(slot))
    }

    #[inline(always)]
    fn write(given: Passed<T>, writer: &mut Writer) -> Outcome<()> {
        writer.item(given.item())
    }

    #[inline(always)]
    fn read(prepared: Option<Slot>, reader: &mut Reader) -> Outcome<OwnedCap<T>> {
        // The server may have sent what it has not.
        let arrived = (reader.item()).filter(|(_, item)| item.delivery == Delivery::Mapped);
        let filled = arrived.and(prepared);
        filled.map(Slot::filled).ok_or(ResultCode::EMSGMISSARG)
    }
}

/// Memory that is mapped into the [`Window`](crate::Window) of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages;

impl Output for Pages {
    type Given = MapItem;
    type Prepared = ();
    type Taken = ReceivedItem;

    fn write(given: MapItem, writer: &mut Writer) -> Outcome<()> {
        writer.item(given)
    }

    fn read((): (), reader: &mut Reader) -> Outcome<ReceivedItem> {
        reader
            .item()
            .map(|(_, item)| item)
            .ok_or(ResultCode::EMSGMISSARG)
    }
}

/// A result that is the label of the answer: a count, an index, flags; not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(pub u32);

impl Output for Label {
    type Given = Label;
    type Prepared = ();
    type Taken = Label;

    fn write(given: Label, writer: &mut Writer) -> Outcome<()> {
        writer.set_label(given.0.into());
        Ok(())
    }

    fn read((): (), reader: &mut Reader) -> Outcome<Label> {
        u32::try_from(reader.tag().label())
            .map(Label)
            .map_err(|_| ResultCode::ERANGE)
    }
}

/// The request is sent without waiting, and never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

impl Output for NoAnswer {
    type Given = ();
    type Prepared = ();
    type Taken = ();
    const SEND_ONLY: bool = true;

    fn write((): (), _: &mut Writer) -> Outcome<()> {
        Ok(())
    }

    fn read((): (), _: &mut Reader) -> Outcome<()> {
        Ok(())
    }
}

macro_rules! tuple {
    ($($part:ident)*) => {
        #[allow(non_snake_case, reason = "parts are named as their types")]
        impl<$($part: Output),*> Output for ($($part,)*) {
            type Given = ($($part::Given,)*);
            type Prepared = ($($part::Prepared,)*);
            type Taken = ($($part::Taken,)*);

            #[inline(always)]
            fn prepare(_writer: &mut Writer) -> Outcome<Self::Prepared> {
                Ok(($($part::prepare(_writer)?,)*))
            }

            #[inline(always)]
            fn write(($($part,)*): Self::Given, _writer: &mut Writer) -> Outcome<()> {
                $($part::write($part, _writer)?;)*
                Ok(())
            }

            #[inline(always)]
            fn read(($($part,)*): Self::Prepared, _reader: &mut Reader) -> Outcome<Self::Taken> {
                Ok(($($part::read($part, _reader)?,)*))
            }
        }
    };
}

tuple!();
tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);

#[cfg(test)]
mod tests {
    use super::*;
    use l4_abi::message_tag::{MessageTag, TagFlags};
    use l4_abi::rights::CapabilityRights;
    use l4_sys::arch::{SystemReturn, with_kernel};
    use l4_sys::slots::SLOTS;
    use l4_sys::{AnyObject, Utcb};

    #[test]
    fn a_capability_that_did_not_arrive_is_none() {
        SLOTS.start_at(0x1000);
        let sent = MapItem::capability(0x20, CapabilityRights::READ);
        for (delivery, is_there) in [(Delivery::NothingMapped, false), (Delivery::Mapped, true)] {
            let item = ReceivedItem::new(sent, delivery);
            Utcb::current().set_messages(&[item.control_word(), 0]);
            let mut reader = Reader::new(MessageTag::new(0, 0, 1, TagFlags::empty()));
            with_kernel(
                |_, _| SystemReturn { tag: 0, label: 0 },
                || {
                    let read = OwnedCap::<AnyObject>::read(Slot::allocate().ok(), &mut reader);
                    assert_eq!(read.is_ok(), is_there);
                },
            );
        }
    }
}
