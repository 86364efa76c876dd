//! One client's device at its server.

use l4_abi::protocol::virtio::{FEATURE_VERSION_1, MAGIC, QueueConfig, VENDOR, VERSION};
use l4_ipc::{CapabilityRights, Outcome, Received, Request, ResultCode};
use l4_memory::Shared;
use l4_rt::env;
use l4_sys::object::{Irq, Thread};
use l4_sys::{Cap, OwnedCap, Passed};
use l4re::icu::OneInterrupt;
use l4re::mem_alloc::DataspaceFlags;
use l4re::virtio::VirtioDeviceServer;
use l4re::{Dataspace, PAGE_SIZE};

use super::config::{ConfigPage, DEVICE, field};
use super::{INTERRUPT, status};
use crate::{DeviceQueue, Inaccessible, Layout, QueueError, Regions};

/// A cause in [`ConfigHeader::irq_status`].
mod cause {
    pub(super) const QUEUE: u32 = 1;
    pub(super) const CONFIGURATION: u32 = 2;
}

/// Largest configuration of a device, so that everything is in one page.
const DEVICE_BYTES: u64 = 0x100;
/// Where the queues are.
const QUEUES: u64 = DEVICE + DEVICE_BYTES;
/// As many as the page has room for, with some to spare.
const MOST_QUEUES: usize = 16;

const _: () = {
    let end = QUEUES + (MOST_QUEUES * size_of::<QueueConfig>()) as u64;
    assert!(end <= l4re::PAGE_SIZE);
};

/// Pieces of memory that one client can share.
const MOST_REGIONS: usize = 8;

/// What a client shares, at the addresses that it chose.
pub type ClientMemory = Regions<Shared, MOST_REGIONS>;

/// What a device is.
#[derive(Clone, Debug)]
pub struct Description<'a> {
    /// Of the list in [`kind`](super::kind).
    pub kind: u32,
    /// Feature bits 0 to 31 and 33 to 63; version 1 is always among them.
    pub features: u64,
    /// Largest size of each queue; at most 16 queues.
    pub queues: &'a [u16],
    /// Its own configuration, at most 256 bytes.
    pub config: &'a [u8],
    /// Bytes that the client may share. They cost the server kernel memory once they are touched.
    pub shared_limit: u64,
}

/// A device, for one client.
#[derive(Debug)]
pub struct Device {
    page: ConfigPage,
    dataspace: OwnedCap<Dataspace>,
    features: u64,
    /// Of the queues; 0 for those that are not there.
    sizes: [u16; MOST_QUEUES],
    shared_limit: u64,
    status: u32,
    queues: [Option<DeviceQueue>; MOST_QUEUES],
    memory: ClientMemory,
    /// The client triggers it.
    doorbell: OwnedCap<Irq>,
    /// The client bound it; it is triggered for the client.
    interrupt: Option<OwnedCap<Irq>>,
}

impl Device {
    /// Makes a device whose client's notifications arrive at `thread` with `label`.
    ///
    /// # Errors
    /// ENOMEM; EINVAL for more queues than there can be.
    pub fn new(
        description: &Description<'_>,
        thread: Cap<Thread>,
        label: u64,
    ) -> l4_sys::Result<Self> {
        let mut sizes = [0; MOST_QUEUES];
        let places = sizes.get_mut(..description.queues.len());
        places
            .ok_or(ResultCode::EINVAL)?
            .copy_from_slice(description.queues);
        let memory = env::mem_alloc();
        let dataspace = memory.create_dataspace(PAGE_SIZE, DataspaceFlags::empty(), 0)?;
        let page = ConfigPage(Shared::writable(dataspace.as_cap())?);
        let doorbell = env::factory().create_irq()?;
        doorbell.bind_thread(thread, label)?;
        let device = Self {
            page,
            dataspace,
            features: description.features | 1 << FEATURE_VERSION_1,
            sizes,
            shared_limit: description.shared_limit,
            status: 0,
            queues: [const { None }; MOST_QUEUES],
            memory: Regions::new(),
            doorbell,
            interrupt: None,
        };
        let described = device.describe(description);
        described.map_err(|Inaccessible| ResultCode::ENOMEM)?;
        Ok(device)
    }

    fn describe(&self, description: &Description<'_>) -> Result<(), Inaccessible> {
        let page = &self.page;
        page.set_word(field!(magic), MAGIC)?;
        page.set_word(field!(version), VERSION)?;
        page.set_word(field!(device), description.kind)?;
        page.set_word(field!(vendor), VENDOR)?;
        page.set_word(field!(queue_count), description.queues.len() as u32)?;
        page.set_word(field!(queues_offset), QUEUES as u32)?;
        page.set_features(field!(device_features_map), self.features)?;
        // What has no room is left out.
        let length = description.config.len().min(DEVICE_BYTES as usize);
        page.0.try_write(DEVICE, &description.config[..length])?;
        for (index, &size_max) in description.queues.iter().enumerate() {
            let config = QueueConfig {
                size_max,
                ..QueueConfig::default()
            };
            page.set_queue(QUEUES, index as u32, &config)?;
        }
        Ok(())
    }

    /// Whether the driver has set everything up, and has done nothing wrong since.
    pub fn is_running(&self) -> bool {
        self.status & (status::DRIVER_OK | status::NEEDS_RESET | status::FAILED)
            == status::DRIVER_OK
    }

    /// Features that the driver has taken.
    pub fn features(&self) -> u64 {
        let taken = self.page.features(field!(driver_features_map));
        taken.unwrap_or(0) & self.features
    }

    /// A queue, if it is in use and the device is running, and the memory that it is in.
    pub fn queue(&mut self, index: usize) -> Option<(&mut DeviceQueue, &ClientMemory)> {
        if !self.is_running() {
            return None;
        }
        let queue = self.queues.get_mut(index)?.as_mut()?;
        Some((queue, &self.memory))
    }

    /// Tells the driver that requests were completed.
    pub fn interrupt(&self) {
        self.tell(cause::QUEUE);
    }

    /// Stops the device, because its driver did something wrong: it needs a reset.
    pub fn fail(&mut self) {
        self.status |= status::NEEDS_RESET;
        let _ = self.page.set_word(field!(status), self.status);
        self.tell(cause::CONFIGURATION);
    }

    /// Behaves as if the driver had notified the device: what is left is for later.
    pub fn ring(&self) {
        let _ = self.doorbell.trigger();
    }

    fn tell(&self, cause: u32) {
        let known = self.page.word(field!(irq_status)).unwrap_or(0);
        let _ = self.page.set_word(field!(irq_status), known | cause);
        if let Some(interrupt) = &self.interrupt {
            // Sent without waiting, so it does no harm if it is no interrupt.
            let _ = interrupt.trigger();
        }
    }

    fn reset(&mut self) {
        self.queues = [const { None }; MOST_QUEUES];
        self.memory.clear();
        self.status = 0;
    }
}

impl VirtioDeviceServer for Device {
    fn set_status(&mut self, _: &mut Request<'_>, wanted: u32) -> Outcome<()> {
        if wanted == 0 {
            self.reset();
        } else {
            let kept = self.status & status::NEEDS_RESET;
            self.status = wanted & 0xff & !status::NEEDS_RESET | kept;
            let taken = self.page.features(field!(driver_features_map));
            let is_known = taken.is_ok_and(|taken| taken & !self.features == 0);
            let is_modern = self.features() & 1 << FEATURE_VERSION_1 != 0;
            if !is_known || !is_modern {
                self.status &= !(status::FEATURES_OK | status::DRIVER_OK);
            }
        }
        let told = self.page.set_word(field!(status), self.status);
        told.map_err(|Inaccessible| ResultCode::EFAULT)
    }

    fn config_queue(&mut self, _: &mut Request<'_>, index: u32) -> Outcome<()> {
        let size = self.sizes.get(index as usize).filter(|size| **size > 0);
        let size_max = *size.ok_or(ResultCode::ERANGE)?;
        let config = self.page.queue(QUEUES, index);
        let config = config.map_err(|Inaccessible| ResultCode::EFAULT)?;
        let queue = &mut self.queues[index as usize];
        *queue = None;
        if config.ready != 0 {
            let layout = layout(&config).map_err(|_| ResultCode::EINVAL)?;
            if layout.size() > size_max {
                return Err(ResultCode::EINVAL);
            }
            *queue = Some(DeviceQueue::new(layout));
        }
        Ok(())
    }

    /// Nothing is asked of the dataspace itself, which its owner may have made of anything.
    fn register_dataspace(
        &mut self,
        _: &mut Request<'_>,
        base: u64,
        offset: u64,
        size: u64,
        dataspace: Received<Dataspace>,
    ) -> Outcome<()> {
        let all = self.memory.size().checked_add(size);
        if all.is_none_or(|all| all > self.shared_limit) {
            return Err(ResultCode::ENOMEM);
        }
        let fits = self.memory.check(base, size);
        fits.map_err(|_| ResultCode::EINVAL)?;
        let shared = Shared::part(dataspace.capability()?, offset, size)?;
        let added = self.memory.add(base, size, shared);
        added.map_err(|_| ResultCode::EINVAL)
    }

    fn device_config(&mut self, _: &mut Request<'_>) -> Outcome<(u64, Passed<Dataspace>)> {
        Ok((0, self.dataspace.pass(CapabilityRights::RW)))
    }

    fn device_irq(&mut self, _: &mut Request<'_>, index: u32) -> Outcome<Passed<Irq>> {
        if index != INTERRUPT {
            return Err(ResultCode::ERANGE);
        }
        // Without the S right, so that it stays bound to the server.
        Ok(self.doorbell.pass(CapabilityRights::READ))
    }
}

impl OneInterrupt for Device {
    fn bind(&mut self, request: &mut Request<'_>, irq: Received<Irq>) -> Outcome<()> {
        self.interrupt = Some(request.keep(irq)?);
        Ok(())
    }

    fn unbind(&mut self, _: Received<Irq>) -> Outcome<()> {
        self.interrupt = None;
        Ok(())
    }
}

/// Where a queue lies, as its configuration says.
fn layout(config: &QueueConfig) -> Result<Layout, QueueError> {
    Layout::new(
        config.size,
        config.descriptors,
        config.available,
        config.used,
    )
}
