//! Writing a description (feature `write`, host only).
//!
//! The writer's types mirror the reader's, with owned texts. [`System::write`] reads back what it made,
//! so an impossible value comes out as the reader's error instead of reaching a machine.

use crate::VERSION;
use crate::checksum::crc32;
use crate::error::Error;
use crate::model::{CapabilityKind, Restart, Rights, Runtime};
use crate::reader::{Description, MAGIC};
use alloc::string::String;
use alloc::vec::Vec;

/// A whole system.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of the reader's records")]
pub struct System {
    pub name: String,
    pub verbose: bool,
    pub components: Vec<Component>,
    pub channels: Vec<Channel>,
    pub dataspaces: Vec<Dataspace>,
}

/// See [`crate::Component`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of the reader's record")]
pub struct Component {
    pub name: String,
    pub program: String,
    pub args: Vec<String>,
    pub rom: Vec<String>,
    pub capabilities: Vec<(String, CapabilityKind)>,
    pub memory: u64,
    pub kernel_memory: u64,
    pub cpus: u64,
    pub priority: u8,
    pub colour: Colour,
    pub runtime: Runtime,
    pub restart: Restart,
    pub essential: bool,
    pub awaited: bool,
}

/// Colour of a component's tag on the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Colour {
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    White,
    Grey,
}

impl Colour {
    /// All colours.
    pub const ALL: [Self; 8] = [
        Self::Red,
        Self::Green,
        Self::Yellow,
        Self::Blue,
        Self::Magenta,
        Self::Cyan,
        Self::White,
        Self::Grey,
    ];

    /// Its name in a configuration file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Blue => "blue",
            Self::Magenta => "magenta",
            Self::Cyan => "cyan",
            Self::White => "white",
            Self::Grey => "grey",
        }
    }
}

/// See [`crate::Channel`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of the reader's record")]
pub struct Channel {
    pub name: String,
    pub server: u32,
    pub server_name: String,
    pub per_client: bool,
    pub clients: Vec<Grant>,
}

/// See [`crate::Dataspace`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of the reader's record")]
pub struct Dataspace {
    pub name: String,
    pub size: u64,
    pub users: Vec<Grant>,
}

/// See [`crate::Grant`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of the reader's record")]
pub struct Grant {
    pub component: u32,
    pub rights: Rights,
    pub name: String,
    pub args: Vec<String>,
}

impl System {
    /// The description as the bytes of its boot module. Fails where [`Description::parse`] would.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let mut body = Body(Vec::new());
        body.text(&self.name);
        body.code(self.verbose);
        body.list(&self.components, Body::component);
        body.list(&self.channels, Body::channel);
        body.list(&self.dataspaces, Body::dataspace);

        let mut block = Vec::from(MAGIC);
        block.extend(VERSION.to_le_bytes());
        block.extend(word(block.len() + 4 + body.0.len() + 4).to_le_bytes());
        block.extend(body.0);
        block.extend(crc32(&block).to_le_bytes());
        Description::parse(&block)?;
        Ok(block)
    }
}

/// A length as it is stored. One that does not fit is far beyond the largest description, and stored as
/// the largest number is rejected when read back.
fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The records, one after the other.
struct Body(Vec<u8>);

impl Body {
    fn component(&mut self, component: &Component) {
        self.text(&component.name);
        self.text(&component.program);
        self.list(&component.args, |body, text| body.text(text));
        self.list(&component.rom, |body, text| body.text(text));
        self.list(&component.capabilities, |body, (name, kind)| {
            body.text(name);
            body.code(*kind as u8);
        });
        for number in [component.memory, component.kernel_memory, component.cpus] {
            self.0.extend(number.to_le_bytes());
        }
        self.code(component.priority);
        self.text(component.colour.name());
        self.code(component.runtime as u8);
        let (restart, limit) = match component.restart {
            Restart::Never => (0, 0),
            Restart::OnFailure { limit } => (1, limit),
            Restart::Always => (2, 0),
        };
        self.code(restart);
        self.number(limit);
        self.code(component.essential);
        self.code(component.awaited);
    }

    fn channel(&mut self, channel: &Channel) {
        self.text(&channel.name);
        self.number(channel.server);
        self.text(&channel.server_name);
        self.code(channel.per_client);
        self.list(&channel.clients, Self::grant);
    }

    fn dataspace(&mut self, dataspace: &Dataspace) {
        self.text(&dataspace.name);
        self.0.extend(dataspace.size.to_le_bytes());
        self.list(&dataspace.users, Self::grant);
    }

    fn grant(&mut self, grant: &Grant) {
        self.number(grant.component);
        self.code(grant.rights.bits());
        self.text(&grant.name);
        self.list(&grant.args, |body, text| body.text(text));
    }

    fn list<T>(&mut self, records: &[T], one: impl Fn(&mut Self, &T)) {
        self.number(word(records.len()));
        records.iter().for_each(|record| one(self, record));
    }

    fn text(&mut self, text: &str) {
        self.number(word(text.len()));
        self.0.extend(text.bytes());
    }

    fn number(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn code(&mut self, code: impl Into<u8>) {
        self.0.push(code.into());
    }
}

/// Writes the right checksum over the end of a block: for tests that damage everything else.
pub fn seal(block: &mut [u8]) {
    if let Some((content, checksum)) = block.split_last_chunk_mut() {
        *checksum = crc32(content).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn matches_the_published_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
