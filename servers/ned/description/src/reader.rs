//! Parsing: the header, and one pass over all records.

use alloc::vec::Vec;

use crate::checksum::crc32;
use crate::error::Error;
use crate::fields::Fields;
use crate::model::{Channel, Component, Dataspace};
use crate::{COMPONENTS_MAX, LENGTH_MAX, NAME_MAX, VERSION};

/// First bytes of every description.
pub(crate) const MAGIC: [u8; 8] = *b"brio-sys";

const CHECKSUM_SIZE: usize = 4;

/// A system.
#[derive(Clone, Debug)]
pub struct Description<'a> {
    /// Name of the system: the stem of its configuration file.
    pub name: &'a str,
    /// ned tells what it does.
    pub verbose: bool,
    /// The components, in the order of the configuration file. Elsewhere they are named by their position.
    pub components: Vec<Component<'a>>,
    /// The channels.
    pub channels: Vec<Channel<'a>>,
    /// The shared dataspaces.
    pub dataspaces: Vec<Dataspace<'a>>,
}

impl<'a> Description<'a> {
    /// Reads a whole description. `bytes` may be longer than it (modules end at a page), then the rest
    /// must be zero.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Fields {
            bytes: checked_body(bytes)?,
            components: 0,
        };
        let name = fields.name(NAME_MAX)?;
        let verbose = fields.one_of(&[false, true])?;
        let components: Vec<Component<'_>> = fields.list()?;
        fields.components = components.len();
        let description = Self {
            name,
            verbose,
            components,
            channels: fields.list()?,
            dataspaces: fields.list()?,
        };
        if !fields.bytes.is_empty() {
            return Err(Error::Length);
        }
        description.check_components()?;
        Ok(description)
    }

    fn check_components(&self) -> Result<(), Error> {
        if self.components.len() > COMPONENTS_MAX {
            return Err(Error::Damaged("too many components"));
        }
        // At most 128 components, so comparing all pairs is quick.
        for (index, component) in self.components.iter().enumerate() {
            let mut others = self.components[..index].iter();
            if others.any(|other| other.name == component.name) {
                return Err(Error::Damaged("two components have the same name"));
            }
        }
        Ok(())
    }
}

/// Checks magic, version, length and checksum; what lies between the length field and the checksum.
fn checked_body(bytes: &[u8]) -> Result<&[u8], Error> {
    let mut header = Fields {
        bytes: bytes.strip_prefix(&MAGIC).ok_or(Error::NotADescription)?,
        components: 0,
    };
    let version = header.u32()?;
    if version != VERSION {
        return Err(Error::Version(version));
    }
    let length = header.u32()? as usize;
    if length > LENGTH_MAX {
        return Err(Error::Length);
    }
    let (block, padding) = bytes.split_at_checked(length).ok_or(Error::Length)?;
    let (content, checksum) = block
        .split_last_chunk::<CHECKSUM_SIZE>()
        .ok_or(Error::Length)?;
    if crc32(content) != u32::from_le_bytes(*checksum) {
        return Err(Error::Checksum);
    }
    if padding.iter().any(|&byte| byte != 0) {
        return Err(Error::Length);
    }
    content.get(MAGIC.len() + 8..).ok_or(Error::Length)
}
