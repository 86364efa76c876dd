//! The factory protocol of servers: making an object, with arguments that say their own types
//! (`abi/08` §1 Varg, §5).

use l4_abi::error::ResultCode;
use l4_abi::protocol::factory::{VargTag, VargType};
use l4_abi::protocol::label;
use l4_sys::utcb::MESSAGE_BYTES;
use l4_sys::{AnyObject, Object, OwnedCap, Passed, Result};

use crate::{CapabilityRights, Interface, Outcome, Output, Request, Response, Writer, client};

l4_sys::object! {
    /// Something that makes objects on request: a server's factory.
    pub struct ServerFactory;
}

impl Interface for ServerFactory {
    const PROTOCOL: i64 = label::FACTORY;
    const NAME: &'static str = "Factory";
}

/// One argument of a create request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Varg<'a> {
    /// An argument left out.
    Nil,
    /// An unsigned word.
    Unsigned(u64),
    /// A signed word.
    Signed(i64),
    /// Text, without the NUL that ends it in the message.
    Text(&'a [u8]),
    /// A flexpage word.
    Flexpage(u64),
}

impl ServerFactory {
    /// Makes an object of kind `kind`, usually the label of its protocol. Needs the S right.
    ///
    /// # Errors
    /// ENODEV for a kind that the factory does not know; others depend on the kind.
    pub fn create<T: Object>(&self, kind: i64, arguments: &[Varg<'_>]) -> Result<OwnedCap<T>> {
        self.create_with(kind, arguments, None)
    }

    /// As [`create`](Self::create), with a capability that the object needs.
    pub fn create_with<T: Object>(
        &self,
        kind: i64,
        arguments: &[Varg<'_>],
        capability: Option<Passed<AnyObject>>,
    ) -> Result<OwnedCap<T>> {
        let mut writer = Writer::new();
        writer.scalar(kind)?;
        for argument in arguments {
            argument.write(&mut writer)?;
        }
        if let Some(capability) = capability {
            writer.item(capability.item())?;
        }
        client::exchange::<OwnedCap<T>>(self.selector(), label::FACTORY, writer)
    }

    /// Lets `server` handle a create request.
    pub fn dispatch<S: FactoryServer + ?Sized>(
        server: &mut S,
        request: &mut Request<'_>,
    ) -> Response {
        crate::server::respond::<Self, crate::NoOpcode>(request, |request, _, mut reader| {
            crate::server::method::<OwnedCap<AnyObject>>(request, |request| {
                request.require(CapabilityRights::SPECIAL)?;
                let kind = reader.scalar()?;
                let mut arguments = Arguments::new(reader.remaining());
                reader.bytes(&mut arguments.bytes[..arguments.end])?;
                server.create(request, kind, &mut arguments)
            })
        })
    }
}

/// What a server of [`ServerFactory`] implements.
pub trait FactoryServer {
    /// Makes an object of kind `kind`.
    ///
    /// # Errors
    /// ENODEV if it does not know the kind; EINVAL for arguments that do not fit it.
    fn create(
        &mut self,
        request: &mut Request<'_>,
        kind: i64,
        arguments: &mut Arguments,
    ) -> Outcome<<OwnedCap<AnyObject> as Output>::Given>;
}

/// What [`FactoryServer::create`] returns.
pub type Created = Passed<AnyObject>;

impl Varg<'_> {
    fn write(&self, writer: &mut Writer) -> Outcome<()> {
        let (kind, length) = match self {
            Self::Nil => (VargType::Nil, 0),
            Self::Unsigned(_) => (VargType::Unsigned, 8),
            Self::Signed(_) => (VargType::Signed, 8),
            // A text that is too long for the tag is too long for the message as well.
            Self::Text(text) => (VargType::String, text.len().saturating_add(1)),
            Self::Flexpage(_) => (VargType::Flexpage, 8),
        };
        let length = u16::try_from(length).map_err(|_| ResultCode::EMSGTOOLONG)?;
        writer.scalar(VargTag::new(kind, length).raw())?;
        match *self {
            Self::Nil => Ok(()),
            Self::Unsigned(word) | Self::Flexpage(word) => writer.scalar(word),
            Self::Signed(word) => writer.scalar(word),
            Self::Text(text) => {
                writer.bytes(text)?;
                writer.bytes(&[0])?;
                writer.align(8);
                Ok(())
            }
        }
    }
}

/// The arguments of a create request, to be taken one after the other.
pub struct Arguments {
    bytes: [u8; MESSAGE_BYTES],
    position: usize,
    end: usize,
}

impl Arguments {
    fn new(length: usize) -> Self {
        Self {
            bytes: [0; MESSAGE_BYTES],
            position: 0,
            end: length,
        }
    }

    /// Takes the next argument; `None` behind the last one.
    ///
    /// # Errors
    /// EMSGTOOSHORT if it claims to be longer than the message, EINVAL for an unknown type.
    pub fn argument(&mut self) -> Outcome<Option<Varg<'_>>> {
        if self.position == self.end {
            return Ok(None);
        }
        let tag = VargTag::from_raw(self.word()?);
        let start = self.position;
        if tag.length() > (self.end - start) as u64 {
            return Err(ResultCode::EMSGTOOSHORT);
        }
        let length = tag.length() as usize;
        self.position = (start + length.next_multiple_of(8)).min(self.end);
        let value = &self.bytes[start..start + length];
        let word = || match value.first_chunk() {
            Some(bytes) if length == 8 => Ok(u64::from_le_bytes(*bytes)),
            _ => Err(ResultCode::EINVAL),
        };
        Ok(Some(match tag.kind().ok_or(ResultCode::EINVAL)? {
            VargType::Nil => Varg::Nil,
            VargType::Unsigned => Varg::Unsigned(word()?),
            VargType::Signed => Varg::Signed(word()? as i64),
            VargType::Flexpage => Varg::Flexpage(word()?),
            VargType::String => {
                Varg::Text(value.split(|byte| *byte == 0).next().unwrap_or_default())
            }
        }))
    }

    /// Takes an integer of either sign; `default` if the argument is left out.
    ///
    /// # Errors
    /// EINVAL if the argument is no integer, or there is neither argument nor default.
    pub fn integer(&mut self, default: Option<i64>) -> Outcome<i64> {
        match self.argument()? {
            Some(Varg::Signed(value)) => Ok(value),
            Some(Varg::Unsigned(value)) => i64::try_from(value).map_err(|_| ResultCode::EINVAL),
            Some(Varg::Nil) | None => default.ok_or(ResultCode::EINVAL),
            Some(_) => Err(ResultCode::EINVAL),
        }
    }

    /// Takes text; `None` if the argument is left out. Error: EINVAL if it is something else.
    pub fn text(&mut self) -> Outcome<Option<&[u8]>> {
        match self.argument()? {
            Some(Varg::Text(text)) => Ok(Some(text)),
            Some(Varg::Nil) | None => Ok(None),
            Some(_) => Err(ResultCode::EINVAL),
        }
    }

    fn word(&mut self) -> Outcome<u64> {
        let bytes = self.bytes[self.position..self.end]
            .first_chunk()
            .ok_or(ResultCode::EMSGTOOSHORT)?;
        self.position += 8;
        Ok(u64::from_le_bytes(*bytes))
    }
}
