//! The configuration page. Either end can write all of it at any time, so what it says is a claim.

use core::mem::{offset_of, size_of};

use l4_abi::protocol::virtio::{ConfigHeader, QueueConfig};
use l4_memory::{Access, Shared};

/// Where the device's own configuration begins.
pub(super) const DEVICE: u64 = size_of::<ConfigHeader>() as u64;
/// Where a field of the header is.
macro_rules! field {
    ($name:ident) => {
        core::mem::offset_of!(l4_abi::protocol::virtio::ConfigHeader, $name) as u64
    };
}
pub(super) use field;

#[derive(Debug)]
pub(super) struct ConfigPage(pub(super) Shared);

impl ConfigPage {
    pub(super) fn word(&self, offset: u64) -> Access<u32> {
        let mut bytes = [0; 4];
        self.0.try_read(offset, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn set_word(&self, offset: u64, word: u32) -> Access {
        self.0.try_write(offset, &word.to_le_bytes())
    }

    /// The first 64 of some features.
    pub(super) fn features(&self, map: u64) -> Access<u64> {
        Ok(u64::from(self.word(map)?) | u64::from(self.word(map + 4)?) << 32)
    }

    pub(super) fn set_features(&self, map: u64, features: u64) -> Access {
        self.set_word(map, features as u32)?;
        self.set_word(map + 4, (features >> 32) as u32)
    }

    /// The device's own configuration from `offset` on.
    pub(super) fn read_device(&self, offset: u64, target: &mut [u8]) -> Access {
        self.0.try_read(DEVICE.saturating_add(offset), target)
    }

    pub(super) fn set_queue(&self, queues: u64, index: u32, config: &QueueConfig) -> Access {
        let mut bytes = [0; size_of::<QueueConfig>()];
        for (at, word) in [
            (offset_of!(QueueConfig, size_max), config.size_max),
            (offset_of!(QueueConfig, size), config.size),
            (offset_of!(QueueConfig, ready), config.ready),
        ] {
            bytes[at..at + 2].copy_from_slice(&word.to_le_bytes());
        }
        for (at, address) in [
            (offset_of!(QueueConfig, descriptors), config.descriptors),
            (offset_of!(QueueConfig, available), config.available),
            (offset_of!(QueueConfig, used), config.used),
        ] {
            bytes[at..at + 8].copy_from_slice(&address.to_le_bytes());
        }
        self.0.try_write(place(queues, index), &bytes)
    }

    pub(super) fn queue(&self, queues: u64, index: u32) -> Access<QueueConfig> {
        let mut bytes = [0; size_of::<QueueConfig>()];
        self.0.try_read(place(queues, index), &mut bytes)?;
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let address = |at: usize| {
            let chunk = bytes[at..].first_chunk().copied();
            u64::from_le_bytes(chunk.unwrap_or_default())
        };
        Ok(QueueConfig {
            size_max: word(offset_of!(QueueConfig, size_max)),
            size: word(offset_of!(QueueConfig, size)),
            ready: word(offset_of!(QueueConfig, ready)),
            descriptors: address(offset_of!(QueueConfig, descriptors)),
            available: address(offset_of!(QueueConfig, available)),
            used: address(offset_of!(QueueConfig, used)),
            ..QueueConfig::default()
        })
    }
}

fn place(queues: u64, index: u32) -> u64 {
    queues.saturating_add(u64::from(index) * size_of::<QueueConfig>() as u64)
}
