//! Virtio 1.2 devices: what all of them have in common, whatever bus they are on.
//!
//! * [`Transport`]: features, status and queues of one device, which the guest sets up through the
//!   registers that a bus shows: `virtio_pci` and `virtio_mmio` of the architectures.
//! * [`Device`]: what is behind it. [`console`] is a model of its own.
//!
//! A guest that makes a queue wrong finds its device in need of a reset, and nothing else happens.

pub mod console;

use alloc::boxed::Box;
use alloc::vec::Vec;
use l4_memory::Memory;
use l4_virtio::{DeviceQueue, Layout, QueueError};

/// Queues that a device can have.
pub const MAX_QUEUES: usize = 4;
/// Descriptors that a queue can have, if the device does not say otherwise.
const QUEUE_SIZE: u16 = 256;

/// It follows version 1 of the specification.
const VERSION_1: u64 = 1 << 32;

/// Bits of the status register (§2.1).
mod status {
    pub(super) const DRIVER_OK: u8 = 1 << 2;
    pub(super) const FEATURES_OK: u8 = 1 << 3;
    pub(super) const NEEDS_RESET: u8 = 1 << 6;
}

/// Bits of the interrupt status register.
const QUEUE_INTERRUPT: u8 = 1 << 0;
const CONFIGURATION_INTERRUPT: u8 = 1 << 1;

/// A device, without its bus. `M` is the guest's memory.
pub trait Device<M>: Send {
    /// Its type (§5).
    fn kind(&self) -> u16;

    /// Features of its type that it offers.
    fn features(&self) -> u64 {
        0
    }

    /// The configuration of its type, from its first byte on.
    fn configuration(&self) -> &[u8] {
        &[]
    }

    /// The number of its queues.
    fn queues(&self) -> usize;

    /// Most descriptors that each of its queues can have.
    fn queue_size(&self) -> u16 {
        QUEUE_SIZE
    }

    /// The guest begins to use it, with these features and the queues that are ready. Whether it can.
    fn start(&mut self, _features: u64, _queues: &mut [Queue]) -> bool {
        true
    }

    /// Does what it can, with the queues that the guest has made ready: after a notification for queue
    /// `notified`, or when something has come from outside. Whether requests were completed that the guest
    /// wants to know of.
    fn serve(
        &mut self,
        queues: &mut [Queue],
        notified: Option<usize>,
        memory: &M,
    ) -> Result<bool, QueueError>;

    /// Whether it cannot go on before a reset, because of what has happened outside.
    fn has_failed(&self) -> bool {
        false
    }

    /// The guest starts from the beginning.
    fn reset(&mut self) {}

    /// How many bytes a person can type now, if it is a console.
    fn room(&self) -> Option<usize> {
        None
    }

    /// Takes of what a person typed; how many bytes.
    fn type_in(&mut self, _bytes: &[u8]) -> usize {
        0
    }
}

/// A queue as the guest sets it up, and then uses it.
#[derive(Debug)]
pub struct Queue {
    pub(crate) size: u16,
    /// Addresses of descriptors, available ring and used ring.
    pub(crate) parts: [u64; 3],
    ready: Option<DeviceQueue>,
}

/// A part of a queue's set-up.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// The descriptor table.
    Descriptors = 0,
    /// The ring that the driver writes.
    Available = 1,
    /// The ring that the device writes.
    Used = 2,
}

impl Queue {
    fn new(size: u16) -> Self {
        Self {
            size,
            parts: [0; 3],
            ready: None,
        }
    }

    /// The queue, if the guest has made it ready.
    pub fn ready(&mut self) -> Option<&mut DeviceQueue> {
        self.ready.as_mut()
    }
}

/// The registers of a device.
pub struct Transport<M> {
    pub(crate) device: Box<dyn Device<M>>,
    pub(crate) status: u8,
    pub(crate) interrupts: u8,
    /// Which 32 of the features the registers show: of the device, of the driver.
    pub(crate) feature_pages: [u32; 2],
    pub(crate) driver_features: u64,
    pub(crate) selected: u16,
    pub(crate) queues: Vec<Queue>,
}

impl<M: Memory> Transport<M> {
    /// One that is reset.
    pub fn new(device: Box<dyn Device<M>>) -> Self {
        let mut transport = Self {
            device,
            status: 0,
            interrupts: 0,
            feature_pages: [0; 2],
            driver_features: 0,
            selected: 0,
            queues: Vec::new(),
        };
        transport.reset();
        transport
    }

    /// Level of the interrupt line.
    fn interrupt(&self) -> bool {
        self.interrupts != 0
    }

    /// How many bytes a person can type now, if it is a console that the guest uses.
    fn room(&self) -> Option<usize> {
        self.device.room().filter(|_| self.works())
    }

    /// A person types; how many bytes had room.
    fn type_in(&mut self, bytes: &[u8], memory: &M) -> usize {
        let taken = self.device.type_in(bytes);
        self.serve(None, memory);
        taken
    }

    /// Requests were completed without the device's doing, or it has failed.
    fn completed(&mut self) {
        if self.works() {
            match self.device.has_failed() {
                true => self.fail(),
                false => self.interrupts |= QUEUE_INTERRUPT,
            }
        }
    }

    pub(crate) fn kind(&self) -> u16 {
        self.device.kind()
    }

    pub(crate) fn device_features(&self) -> u32 {
        page(self.device.features() | VERSION_1, self.feature_pages[0])
    }

    pub(crate) fn set_driver_features(&mut self, features: u32) {
        // They are agreed on once (§3.1.1).
        if self.status & status::FEATURES_OK == 0 && self.feature_pages[1] < 2 {
            let shift = 32 * self.feature_pages[1];
            self.driver_features &= !(u64::from(u32::MAX) << shift);
            self.driver_features |= u64::from(features) << shift;
        }
    }

    pub(crate) fn set_status(&mut self, value: u8, memory: &M) {
        if value == 0 {
            self.reset();
            return;
        }
        let offered = self.device.features() | VERSION_1;
        let agreed = self.driver_features & !offered == 0 && self.driver_features & VERSION_1 != 0;
        let refused = if agreed { 0 } else { status::FEATURES_OK };
        let before = self.status;
        // The driver adds bits, and cannot take away what the device said.
        self.status |= value & !refused & !status::NEEDS_RESET;
        if self.status & !before & status::DRIVER_OK != 0 {
            match (self.device).start(self.driver_features, &mut self.queues) {
                true => self.serve(None, memory),
                false => self.fail(),
            }
        }
    }

    fn reset(&mut self) {
        self.device.reset();
        self.status = 0;
        self.interrupts = 0;
        self.feature_pages = [0; 2];
        self.driver_features = 0;
        self.selected = 0;
        let size = self.device.queue_size();
        self.queues = (0..self.device.queues().min(MAX_QUEUES))
            .map(|_| Queue::new(size))
            .collect();
    }

    pub(crate) fn queue(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(self.selected))
    }

    pub(crate) fn set_queue_size(&mut self, size: u16) {
        let most = self.device.queue_size();
        if let Some(queue) = self.queue()
            && queue.ready.is_none()
            && size <= most
        {
            queue.size = size;
        }
    }

    /// Sets one half of an address.
    pub(crate) fn set_queue_address(&mut self, part: Part, high: bool, value: u32) {
        if let Some(queue) = self.queue()
            && queue.ready.is_none()
        {
            let shift = if high { 32 } else { 0 };
            let address = &mut queue.parts[part as usize];
            *address = *address & !(u64::from(u32::MAX) << shift) | u64::from(value) << shift;
        }
    }

    pub(crate) fn is_queue_ready(&mut self) -> bool {
        self.queue().is_some_and(|queue| queue.ready.is_some())
    }

    pub(crate) fn set_queue_ready(&mut self, ready: bool) {
        let Some(queue) = self.queue() else {
            return;
        };
        if !ready {
            queue.ready = None;
        } else if queue.ready.is_none() {
            let [descriptors, available, used] = queue.parts;
            match Layout::new(queue.size, descriptors, available, used) {
                Ok(layout) => queue.ready = Some(DeviceQueue::new(layout)),
                Err(_) => self.fail(),
            }
        }
    }

    pub(crate) fn notify(&mut self, queue: u32, memory: &M) {
        self.serve(Some(queue as usize), memory);
    }

    /// A byte of the device's own configuration; 0 behind its end.
    pub(crate) fn configuration(&self, offset: usize) -> u8 {
        self.device
            .configuration()
            .get(offset)
            .copied()
            .unwrap_or(0)
    }

    fn serve(&mut self, notified: Option<usize>, memory: &M) {
        if !self.works() || notified.is_some_and(|queue| queue >= self.queues.len()) {
            return;
        }
        match self.device.serve(&mut self.queues, notified, memory) {
            Err(_) => self.fail(),
            Ok(_) if self.device.has_failed() => self.fail(),
            Ok(true) => self.interrupts |= QUEUE_INTERRUPT,
            Ok(false) => {}
        }
    }

    fn works(&self) -> bool {
        self.status & (status::DRIVER_OK | status::NEEDS_RESET) == status::DRIVER_OK
    }

    fn fail(&mut self) {
        self.status |= status::NEEDS_RESET;
        self.interrupts |= CONFIGURATION_INTERRUPT;
    }
}

/// All devices of a machine, numbered as they were added.
pub struct Devices<M>(Vec<Transport<M>>);

impl<M> Default for Devices<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M: Memory> Devices<M> {
    /// Adds one.
    pub fn add(&mut self, device: impl Device<M> + 'static) {
        self.0.push(Transport::new(Box::new(device)));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All, by their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Transport<M>> {
        self.0.iter()
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut Transport<M>> {
        self.0.get_mut(number)
    }

    /// The levels of their interrupt lines.
    pub fn interrupts(&self) -> impl Iterator<Item = bool> {
        self.0.iter().map(Transport::interrupt)
    }

    /// How many bytes a person can type now, if the guest uses one of them as its console.
    pub fn room(&self) -> Option<usize> {
        self.0.iter().find_map(Transport::room)
    }

    /// A person types there; how many bytes had room.
    pub fn type_in(&mut self, bytes: &[u8], memory: &M) -> usize {
        let mut devices = self.0.iter_mut();
        let console = devices.find(|device| device.room().is_some());
        console.map_or(0, |console| console.type_in(bytes, memory))
    }

    /// Requests of a device were completed, or it has failed.
    pub fn completed(&mut self, number: usize) {
        if let Some(device) = self.get_mut(number) {
            device.completed();
        }
    }
}

/// 32 bits of the features.
pub(crate) fn page(features: u64, page: u32) -> u32 {
    match page {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
