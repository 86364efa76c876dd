//! Parsing: the header, the cut into tables, and the one pass that checks every record.

use crate::checksum::crc32;
use crate::error::Error;
use crate::model::{Capability, Channel, Component, ComponentIndex, Dataspace, Grant, System};
use crate::table::{Fields, List, Record, Tables};
use crate::{COMPONENTS_MAX, LENGTH_MAX, VERSION};

/// First bytes of every description.
pub(crate) const MAGIC: [u8; 8] = *b"brio-sys";

const CHECKSUM_SIZE: usize = 4;

/// A system description whose every record has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    system: System<'a>,
    tables: Tables<'a>,
}

impl<'a> Description<'a> {
    /// Checks a whole description. `bytes` may be longer than it (modules end at a page), then the rest
    /// must be zero.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let body = checked_body(bytes)?;
        let (sizes, rest) = body.split_at_checked(7 * 4).ok_or(Error::Length)?;
        let (system, mut rest) = rest.split_at_checked(System::SIZE).ok_or(Error::Length)?;
        let mut sizes = sizes
            .chunks_exact(4)
            .map(|size| u32::from_le_bytes([size[0], size[1], size[2], size[3]]));
        let mut cut = |record_size: usize| {
            let count = sizes.next().ok_or(Error::Length)? as usize;
            let size = count.checked_mul(record_size).ok_or(Error::Length)?;
            let (table, after) = rest.split_at_checked(size).ok_or(Error::Length)?;
            rest = after;
            Ok(table)
        };
        let tables = Tables {
            components: cut(Component::SIZE)?,
            channels: cut(Channel::SIZE)?,
            dataspaces: cut(Dataspace::SIZE)?,
            grants: cut(Grant::SIZE)?,
            capabilities: cut(Capability::SIZE)?,
            texts: cut(<&str>::SIZE)?,
            pool: core::str::from_utf8(cut(1)?)
                .map_err(|_| Error::Damaged("texts are not UTF-8"))?,
        };
        if !rest.is_empty() {
            return Err(Error::Length);
        }
        let system = System::decode(&mut Fields::new(system, tables))?;
        let description = Self { system, tables };
        description.check_records()?;
        Ok(description)
    }

    /// What holds for the system as a whole.
    pub fn system(&self) -> System<'a> {
        self.system
    }

    /// The components, in the order of the configuration file.
    pub fn components(&self) -> List<'a, Component<'a>> {
        List::whole(self.tables)
    }

    /// One component.
    pub fn component(&self, index: ComponentIndex) -> Option<Component<'a>> {
        self.components().get(index.0 as usize)
    }

    /// The channels.
    pub fn channels(&self) -> List<'a, Channel<'a>> {
        List::whole(self.tables)
    }

    /// The shared dataspaces.
    pub fn dataspaces(&self) -> List<'a, Dataspace<'a>> {
        List::whole(self.tables)
    }

    /// Decodes every record once, so that the lists never meet a bad one later.
    fn check_records(&self) -> Result<(), Error> {
        let components = self.components();
        if components.len() > COMPONENTS_MAX {
            return Err(Error::Damaged("too many components"));
        }
        check_all::<&str>(self.tables)?;
        check_all::<Capability<'_>>(self.tables)?;
        check_all::<Grant<'_>>(self.tables)?;
        check_all::<Component<'_>>(self.tables)?;
        check_all::<Channel<'_>>(self.tables)?;
        check_all::<Dataspace<'_>>(self.tables)?;
        // At most 128 components, so comparing all pairs is quick.
        for (index, component) in components.iter().enumerate() {
            if components
                .iter()
                .take(index)
                .any(|other| other.name == component.name)
            {
                return Err(Error::Damaged("two components have the same name"));
            }
        }
        Ok(())
    }
}

fn check_all<'a, T: Record<'a>>(tables: Tables<'a>) -> Result<(), Error> {
    let list = List::<T>::whole(tables);
    (0..list.len()).try_for_each(|index| list.decode(index).map(drop))
}

/// Checks magic, version, length and checksum; what lies between the length field and the checksum.
fn checked_body(bytes: &[u8]) -> Result<&[u8], Error> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(Error::NotADescription)?;
    let (version, rest) = rest.split_first_chunk().ok_or(Error::Length)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(Error::Version(version));
    }
    let (length, _) = rest.split_first_chunk().ok_or(Error::Length)?;
    let length = u32::from_le_bytes(*length) as usize;
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
