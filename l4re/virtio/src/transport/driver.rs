//! The client's end of a server's device.

use core::fmt;

use l4_abi::protocol::virtio::{FEATURE_VERSION_1, MAGIC, QueueConfig, VERSION};
use l4_abi::timeout::Timeout;
use l4_ipc::CapabilityRights;
use l4_memory::{Inaccessible, Shared};
use l4_rt::{env, thread};
use l4_sys::object::Irq;
use l4_sys::{Cap, Error, OwnedCap};
use l4re::{Dataspace, VirtioDevice};

use super::config::{ConfigPage, field};
use super::{INTERRUPT, status};
use crate::ring::{Layout, QueueError};

/// A device that a server has for this program. Dropped, it is reset.
#[derive(Debug)]
pub struct Driver {
    device: Cap<VirtioDevice>,
    page: ConfigPage,
    features: u64,
    queues: u64,
    doorbell: OwnedCap<Irq>,
    interrupt: OwnedCap<Irq>,
}

/// Why a device cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverError {
    /// A message failed, or was answered with an error.
    Message(Error),
    /// Another kind of device, or none at all.
    Kind,
    /// The device does not want to work with the features that it offers.
    Features,
    /// The device has no such queue, or a smaller one.
    Queue,
    /// A queue is not as it must be.
    Ring(QueueError),
    /// The server took the configuration page away.
    Gone,
}

impl fmt::Display for DriverError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(error) => error.fmt(formatter),
            Self::Kind => formatter.write_str("the device is of another kind"),
            Self::Features => formatter.write_str("the device refuses the features it offered"),
            Self::Queue => formatter.write_str("the device has no such queue"),
            Self::Ring(error) => error.fmt(formatter),
            Self::Gone => formatter.write_str("the device is gone"),
        }
    }
}

impl core::error::Error for DriverError {}

impl From<Error> for DriverError {
    fn from(error: Error) -> Self {
        Self::Message(error)
    }
}

impl From<QueueError> for DriverError {
    fn from(error: QueueError) -> Self {
        Self::Ring(error)
    }
}

impl From<Inaccessible> for DriverError {
    fn from(_: Inaccessible) -> Self {
        Self::Gone
    }
}

impl Driver {
    /// Resets the device, and agrees on the features: those of `wanted` that it offers. Its
    /// interrupts arrive at the calling thread, which alone can [`wait`](Self::wait) for them; in an
    /// open wait they have `label`, whose two lowest bits are clear.
    pub fn open(
        device: Cap<VirtioDevice>,
        kind: u32,
        wanted: u64,
        label: u64,
    ) -> Result<Self, DriverError> {
        let (offset, dataspace) = device.device_config()?;
        let page = ConfigPage(Shared::part(dataspace.as_cap(), offset, l4re::PAGE_SIZE)?);
        let identity = (page.word(field!(magic))?, page.word(field!(version))?);
        if identity != (MAGIC, VERSION) || page.word(field!(device))? != kind {
            return Err(DriverError::Kind);
        }
        device.set_status(0)?;
        let mut state = status::ACKNOWLEDGE | status::DRIVER;
        device.set_status(state)?;
        let offered = page.features(field!(device_features_map))?;
        let features = offered & (wanted | 1 << FEATURE_VERSION_1);
        page.set_features(field!(driver_features_map), features)?;
        state |= status::FEATURES_OK;
        device.set_status(state)?;
        if page.word(field!(status))? & status::FEATURES_OK == 0 {
            return Err(DriverError::Features);
        }
        let doorbell = device.device_irq(INTERRUPT)?;
        let interrupt = env::factory().create_irq()?;
        interrupt.bind_thread(thread::current(), label)?;
        device.icu().bind(INTERRUPT.into(), interrupt.as_cap())?;
        let queues = page.word(field!(queues_offset))?.into();
        Ok(Self {
            device,
            page,
            features,
            queues,
            doorbell,
            interrupt,
        })
    }

    /// The features that both have.
    pub fn features(&self) -> u64 {
        self.features
    }

    /// Reads the device's own configuration.
    pub fn read_config(&self, offset: u64, target: &mut [u8]) -> Result<(), DriverError> {
        Ok(self.page.read_device(offset, target)?)
    }

    /// Most descriptors that a queue can have.
    pub fn queue_size(&self, index: u32) -> Result<u16, DriverError> {
        Ok(self.page.queue(self.queues, index)?.size_max)
    }

    /// Lets the device read and write `size` bytes of `dataspace`, at addresses from `base` on.
    pub fn share(
        &self,
        base: u64,
        dataspace: Cap<Dataspace>,
        size: u64,
    ) -> Result<(), DriverError> {
        let passed = dataspace.pass(CapabilityRights::RW);
        Ok(self.device.register_dataspace(base, 0, size, passed)?)
    }

    /// Tells the device where a queue is.
    pub fn set_queue(&self, index: u32, layout: &Layout) -> Result<(), DriverError> {
        let size_max = self.page.queue(self.queues, index)?.size_max;
        if index >= self.page.word(field!(queue_count))? || layout.size() > size_max {
            return Err(DriverError::Queue);
        }
        let config = QueueConfig {
            size_max,
            size: layout.size(),
            ready: 1,
            descriptors: layout.descriptors(),
            available: layout.available(),
            used: layout.used(),
            ..QueueConfig::default()
        };
        self.page.set_queue(self.queues, index, &config)?;
        Ok(self.device.config_queue(index)?)
    }

    /// Lets the device begin.
    pub fn start(&self) -> Result<(), DriverError> {
        let all = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK | status::DRIVER_OK;
        Ok(self.device.set_status(all)?)
    }

    /// Tells the device that there are requests.
    pub fn notify(&self) {
        let _ = self.doorbell.trigger();
    }

    /// Waits for an interrupt of the device.
    pub fn wait(&self, timeout: Timeout) -> Result<(), DriverError> {
        Ok(self.interrupt.receive(timeout).map_err(Error::Ipc)?)
    }

    /// The status that the device shows.
    pub fn status(&self) -> Result<u32, DriverError> {
        Ok(self.page.word(field!(status))?)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.device.set_status(0);
        let _ = self
            .device
            .icu()
            .unbind(INTERRUPT.into(), self.interrupt.as_cap());
    }
}
