//! Writing a description (feature `write`, host only).
//!
//! The writer's types mirror the reader's, with owned texts. [`System::write`] reads back what it made,
//! so an impossible value comes out as the reader's error instead of reaching a machine.

use crate::VERSION;
use crate::checksum::crc32;
use crate::error::Error;
use crate::model::{CapabilityKind, Colour, Component as Read, Restart, Rights, Runtime};
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
        let mut tables = Tables::default();
        self.components
            .iter()
            .for_each(|component| tables.component(component));
        self.channels
            .iter()
            .for_each(|channel| tables.channel(channel));
        self.dataspaces
            .iter()
            .for_each(|dataspace| tables.dataspace(dataspace));
        let mut system = Vec::new();
        tables.text(&mut system, &self.name);
        system.extend(u32::from(self.verbose).to_le_bytes());

        let counts = [
            self.components.len(),
            self.channels.len(),
            self.dataspaces.len(),
            tables.grant_count,
            tables.capability_count,
            tables.text_count,
            tables.pool.len(),
        ];
        let parts = [
            tables.components,
            tables.channels,
            tables.dataspaces,
            tables.grants,
            tables.capabilities,
            tables.texts,
            tables.pool,
        ];
        let mut body = Vec::new();
        body.extend(
            counts
                .into_iter()
                .flat_map(|count| word(count).to_le_bytes()),
        );
        body.extend(system);
        body.extend(parts.into_iter().flatten());

        let mut block = Vec::from(MAGIC);
        block.extend(VERSION.to_le_bytes());
        block.extend(word(block.len() + 4 + body.len() + 4).to_le_bytes());
        block.extend(body);
        block.extend(crc32(&block).to_le_bytes());
        Description::parse(&block)?;
        Ok(block)
    }
}

/// A count or offset as it is stored. One that does not fit is far beyond the largest description, and
/// stored as the largest number is rejected when read back.
fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[derive(Default)]
struct Tables {
    components: Vec<u8>,
    channels: Vec<u8>,
    dataspaces: Vec<u8>,
    grants: Vec<u8>,
    grant_count: usize,
    capabilities: Vec<u8>,
    capability_count: usize,
    texts: Vec<u8>,
    text_count: usize,
    pool: Vec<u8>,
}

impl Tables {
    fn component(&mut self, component: &Component) {
        let mut record = Vec::new();
        self.text(&mut record, &component.name);
        self.text(&mut record, &component.program);
        self.list(&mut record, &component.args);
        self.list(&mut record, &component.rom);
        range(
            &mut record,
            self.capability_count,
            component.capabilities.len(),
        );
        for (name, kind) in &component.capabilities {
            let mut capability = Vec::new();
            self.text(&mut capability, name);
            capability.extend(kind.encode().to_le_bytes());
            self.capabilities.extend(capability);
            self.capability_count += 1;
        }
        for number in [component.memory, component.kernel_memory, component.cpus] {
            record.extend(number.to_le_bytes());
        }
        let (restart, limit) = component.restart.encode();
        record.extend([
            component.priority,
            component.colour as u8,
            component.runtime.encode(),
            restart,
        ]);
        record.extend(limit.to_le_bytes());
        record.extend(Read::flags(component.essential, component.awaited).to_le_bytes());
        self.components.extend(record);
    }

    fn channel(&mut self, channel: &Channel) {
        let mut record = Vec::new();
        self.text(&mut record, &channel.name);
        record.extend(channel.server.to_le_bytes());
        self.text(&mut record, &channel.server_name);
        record.extend(u32::from(channel.per_client).to_le_bytes());
        self.grants(&mut record, &channel.clients);
        self.channels.extend(record);
    }

    fn dataspace(&mut self, dataspace: &Dataspace) {
        let mut record = Vec::new();
        self.text(&mut record, &dataspace.name);
        record.extend(dataspace.size.to_le_bytes());
        self.grants(&mut record, &dataspace.users);
        self.dataspaces.extend(record);
    }

    fn grants(&mut self, record: &mut Vec<u8>, grants: &[Grant]) {
        range(record, self.grant_count, grants.len());
        for grant in grants {
            let mut stored = Vec::new();
            stored.extend(grant.component.to_le_bytes());
            stored.extend(grant.rights.bits().to_le_bytes());
            self.text(&mut stored, &grant.name);
            self.list(&mut stored, &grant.args);
            self.grants.extend(stored);
            self.grant_count += 1;
        }
    }

    fn list(&mut self, record: &mut Vec<u8>, texts: &[String]) {
        range(record, self.text_count, texts.len());
        for text in texts {
            let mut entry = Vec::new();
            self.text(&mut entry, text);
            self.texts.extend(entry);
            self.text_count += 1;
        }
    }

    fn text(&mut self, record: &mut Vec<u8>, text: &str) {
        range(record, self.pool.len(), text.len());
        self.pool.extend(text.bytes());
    }
}

fn range(record: &mut Vec<u8>, first: usize, count: usize) {
    record.extend(word(first).to_le_bytes());
    record.extend(word(count).to_le_bytes());
}
