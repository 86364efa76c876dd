//! How each type travels in a request.
//!
//! | Declared | The client passes | The server's method sees | In the message |
//! |---|---|---|---|
//! | `u8` … `i64`, `bool` | the value | the value | aligned to its size |
//! | `str` | `&str` | `&str` | u64 length with NUL, the bytes, NUL |
//! | `[u8]` | `&[u8]` | `&[u8]` | u64 length, the bytes |
//! | `Cap<T>` | [`Passed<T>`] | [`Received<T>`] | typed item |
//! | `Option<Cap<T>>` | the same in an `Option` | the same in an `Option` | typed item or none |
//! | [`Window`] | where pages may be mapped | nothing | receive buffer of the client |

use core::ops::Deref;

use l4_abi::capability::Selector;
use l4_abi::error::ResultCode;
use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::{Delivery, ReceiveBuffer};
use l4_sys::utcb::MESSAGE_BYTES;
use l4_sys::{Cap, Object, Passed, Utcb};

use crate::scalar::Plain;
use crate::{Outcome, Reader, Writer};

/// A type that an interface can declare for an argument.
pub trait Argument {
    /// What the client passes.
    type Given<'a>;
    /// What the server keeps while its method runs.
    type Held;
    /// What the server's method sees of that.
    type Lent<'a>;

    /// Writes it into a request.
    fn write(given: Self::Given<'_>, writer: &mut Writer) -> Outcome<()>;
    /// Takes it out of a request.
    fn read(reader: &mut Reader) -> Outcome<Self::Held>;
    /// Shows it to the method.
    fn lend(held: &mut Self::Held) -> Self::Lent<'_>;
}

impl<T: Plain> Argument for T {
    type Given<'a> = T;
    type Held = T;
    type Lent<'a> = T;

    #[inline(always)]
    fn write(given: T, writer: &mut Writer) -> Outcome<()> {
        Plain::write(given, writer)
    }

    #[inline(always)]
    fn read(reader: &mut Reader) -> Outcome<T> {
        Plain::read(reader)
    }

    #[inline(always)]
    fn lend(held: &mut T) -> T {
        *held
    }
}

/// Bytes out of a message, kept aside because the next IPC overwrites the message.
#[derive(Clone)]
pub struct Bytes {
    length: usize,
    bytes: [u8; MESSAGE_BYTES],
}

impl Bytes {
    /// A copy of `bytes`. Error: EMSGTOOLONG if no message holds them.
    pub fn new(bytes: &[u8]) -> Outcome<Self> {
        let mut copy = Self {
            length: bytes.len(),
            bytes: [0; MESSAGE_BYTES],
        };
        copy.bytes
            .get_mut(..bytes.len())
            .ok_or(ResultCode::EMSGTOOLONG)?
            .copy_from_slice(bytes);
        Ok(copy)
    }

    /// A copy of `text`, with the zero byte that ends text in messages. Error: EMSGTOOLONG.
    pub fn text(text: &[u8]) -> Outcome<Self> {
        let mut copy = Self::new(text)?;
        copy.bytes.get(copy.length).ok_or(ResultCode::EMSGTOOLONG)?;
        copy.length += 1;
        Ok(copy)
    }

    /// Takes the next `length` bytes of a message.
    pub(crate) fn read(length: u64, reader: &mut Reader) -> Outcome<Self> {
        if length > reader.remaining() as u64 {
            return Err(ResultCode::EMSGTOOSHORT);
        }
        let mut bytes = Self {
            length: length as usize,
            bytes: [0; MESSAGE_BYTES],
        };
        reader.bytes(&mut bytes.bytes[..length as usize])?;
        Ok(bytes)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl core::fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "\"{}\"", self.escape_ascii())
    }
}

impl Argument for [u8] {
    type Given<'a> = &'a [u8];
    type Held = Bytes;
    type Lent<'a> = &'a [u8];

    fn write(given: &[u8], writer: &mut Writer) -> Outcome<()> {
        writer.scalar(given.len() as u64)?;
        writer.bytes(given)
    }

    fn read(reader: &mut Reader) -> Outcome<Bytes> {
        let length = reader.scalar::<u64>()?;
        Bytes::read(length, reader)
    }

    fn lend(held: &mut Bytes) -> &[u8] {
        held
    }
}

/// The text of a `str` argument, checked.
pub struct Text(Bytes);

impl Argument for str {
    type Given<'a> = &'a str;
    type Held = Text;
    type Lent<'a> = &'a str;

    fn write(given: &str, writer: &mut Writer) -> Outcome<()> {
        writer.scalar(given.len() as u64 + 1)?;
        writer.bytes(given.as_bytes())?;
        writer.bytes(&[0])
    }

    /// The text ends at its first NUL. Error: EINVAL if there is none, or if it is not UTF-8.
    fn read(reader: &mut Reader) -> Outcome<Text> {
        let length = reader.scalar::<u64>()?;
        let mut text = Bytes::read(length, reader)?;
        text.length = text
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(ResultCode::EINVAL)?;
        match core::str::from_utf8(&text) {
            Ok(_) => Ok(Text(text)),
            Err(_) => Err(ResultCode::EINVAL),
        }
    }

    fn lend(held: &mut Text) -> &str {
        core::str::from_utf8(&held.0).unwrap_or_default()
    }
}

/// A capability as it arrived at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<T: Object> {
    /// A capability in one of the server's receive slots: good until the request is answered,
    /// unless [`Request::keep`](crate::Request::keep) saves it.
    Capability(Cap<T>),
    /// One of the server's own gates: its label, and the rights W and S in bits 1..0.
    Own(u64),
    /// The client is in the same task, and named this capability.
    SameTask(Cap<T>),
}

impl<T: Object> Received<T> {
    /// The capability to use while the request is handled. Error: EINVAL for an own gate.
    pub fn capability(self) -> Outcome<Cap<T>> {
        match self {
            Self::Capability(capability) | Self::SameTask(capability) => Ok(capability),
            Self::Own(_) => Err(ResultCode::EINVAL),
        }
    }

    /// Takes the next item of a request; `None` if it brought nothing.
    fn read(reader: &mut Reader) -> Outcome<Option<Self>> {
        let Some((position, item)) = reader.item() else {
            return Ok(None);
        };
        if item.space() != Some(Space::Object) {
            return Err(ResultCode::EINVAL);
        }
        Ok(match item.delivery {
            Delivery::NothingMapped => None,
            // The server's buffers are single slots, one word each.
            Delivery::Mapped => {
                let slot = Selector::from_raw(Utcb::current().buffer(position)).index();
                Some(Self::Capability(Cap::at(slot)))
            }
            Delivery::LocalId(label) => Some(Self::Own(label)),
            Delivery::Flexpage(flexpage) => Some(Self::SameTask(Cap::at(flexpage.index()))),
        })
    }
}

impl<T: Object> Argument for Cap<T> {
    type Given<'a> = Passed<T>;
    type Held = Received<T>;
    type Lent<'a> = Received<T>;

    #[inline(always)]
    fn write(given: Passed<T>, writer: &mut Writer) -> Outcome<()> {
        writer.item(given.item())
    }

    #[inline(always)]
    fn read(reader: &mut Reader) -> Outcome<Received<T>> {
        Received::read(reader)?.ok_or(ResultCode::EMSGMISSARG)
    }

    #[inline(always)]
    fn lend(held: &mut Received<T>) -> Received<T> {
        *held
    }
}

impl<T: Object> Argument for Option<Cap<T>> {
    type Given<'a> = Option<Passed<T>>;
    type Held = Option<Received<T>>;
    type Lent<'a> = Option<Received<T>>;

    #[inline(always)]
    fn write(given: Option<Passed<T>>, writer: &mut Writer) -> Outcome<()> {
        given.map_or(Ok(()), |passed| writer.item(passed.item()))
    }

    #[inline(always)]
    fn read(reader: &mut Reader) -> Outcome<Option<Received<T>>> {
        Received::read(reader)
    }

    #[inline(always)]
    fn lend(held: &mut Option<Received<T>>) -> Option<Received<T>> {
        *held
    }
}

/// Where the pages of an answer may be mapped: an argument that only arms a receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(Flexpage);

impl Window {
    /// Into this task, inside `pages`.
    pub const fn new(pages: Flexpage) -> Self {
        Self(pages)
    }
}

impl Argument for Window {
    type Given<'a> = Window;
    type Held = ();
    type Lent<'a> = ();

    fn write(given: Window, writer: &mut Writer) -> Outcome<()> {
        writer.buffer_word(ReceiveBuffer::WINDOW_WORD)?;
        writer.buffer_word(given.0.raw())
    }

    fn read(_: &mut Reader) -> Outcome<()> {
        Ok(())
    }

    fn lend(_: &mut ()) {}
}
