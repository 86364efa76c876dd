//! A virtio device of a server, handed on to the guest: the server works on the guest's queues, in the guest's
//! memory, and the monitor only passes registers and notifications on.

use crate::devices::virtio::{Device, Devices, Queue};
use crate::vmm::memory::Ram;
use crate::vmm::options::Options;
use alloc::boxed::Box;
use alloc::format;
use core::error::Error;
use l4_memory::Shared;
use l4_rt::{env, println};
use l4_sys::Cap;
use l4_virtio::QueueError;
use l4_virtio::transport::{Driver, DriverError, kind, status};
use l4re::{Dataspace, VirtioDevice};

/// Bytes of a device's own configuration that guests can read.
const CONFIGURATION: usize = 64;
/// Any feature of the device's kind, which are the first 24 bits.
const FEATURES: u64 = (1 << 24) - 1;

/// What a server can serve: its word in the arguments, the device's kind, and how many queues it has.
const KINDS: [(&str, u32, usize); 3] = [
    ("block", kind::BLOCK, 1),
    ("net", kind::NET, 2),
    ("entropy", kind::ENTROPY, 1),
];

/// A server's device, as the program's arguments name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backing {
    /// The channel to the server.
    pub channel: &'static str,
    kind: u32,
    queues: usize,
}

impl Backing {
    /// The device of this word that is behind the channel.
    pub fn new(word: &str, channel: &'static str) -> Option<Self> {
        let (_, kind, queues) = KINDS.into_iter().find(|(known, ..)| *known == word)?;
        Some(Self {
            channel,
            kind,
            queues,
        })
    }
}

/// Of the interrupts of the first server's device; those of the others follow, four apart.
const FIRST_LABEL: u64 = 0x100;
const LABELS: u64 = 4;

/// Adds the devices of servers, for a guest with this memory. Their interrupts come to the calling thread.
pub fn open(
    devices: &mut Devices<Shared>,
    options: &Options,
    ram: &Ram,
) -> Result<(), Box<dyn Error>> {
    for (number, backing) in (0..).zip(&options.devices.of_servers) {
        let label = FIRST_LABEL + LABELS * number;
        let memory = ram.dataspace().ok_or("servers share dataspaces only")?;
        let remote = Remote::new(*backing, memory.cast(), options.memory, label)?;
        devices.add(remote);
    }
    Ok(())
}

/// Which of the devices an interrupt with this label is from.
pub fn number(label: u64) -> Option<usize> {
    Some((label.checked_sub(FIRST_LABEL)? / LABELS) as usize)
}

/// The device.
struct Remote {
    backing: Backing,
    server: Cap<VirtioDevice>,
    features: u64,
    queue_size: u16,
    configuration: [u8; CONFIGURATION],
    /// The guest's memory, from guest-physical address 0 on.
    memory: Cap<Dataspace>,
    size: u64,
    /// Of the interrupts that come from the server.
    label: u64,
    /// While the guest uses it.
    driver: Option<Driver>,
}

impl Remote {
    /// Asks the server what it has. Its interrupts will come to the calling thread with `label`.
    fn new(
        backing: Backing,
        memory: Cap<Dataspace>,
        size: u64,
        label: u64,
    ) -> Result<Self, Box<dyn Error>> {
        let server = env::cap(backing.channel)?;
        let unusable = |error| format!("channel '{}': {error}", backing.channel);
        let driver = Driver::open(server, backing.kind, FEATURES, label).map_err(unusable)?;
        let mut configuration = [0; CONFIGURATION];
        driver
            .read_config(0, &mut configuration)
            .map_err(unusable)?;
        Ok(Self {
            backing,
            server,
            features: driver.features() & FEATURES,
            queue_size: driver.queue_size(0).map_err(unusable)?,
            configuration,
            memory,
            size,
            label,
            driver: None,
        })
    }

    fn open(&self, features: u64, queues: &mut [Queue]) -> Result<Driver, DriverError> {
        let driver = Driver::open(self.server, self.backing.kind, features, self.label)?;
        driver.share(0, self.memory, self.size)?;
        for (index, queue) in (0..).zip(queues) {
            if let Some(queue) = queue.ready() {
                driver.set_queue(index, queue.layout())?;
            }
        }
        driver.start()?;
        // The guest may have put requests in before.
        driver.notify();
        Ok(driver)
    }
}

impl<M> Device<M> for Remote {
    fn kind(&self) -> u16 {
        self.backing.kind as u16
    }

    fn features(&self) -> u64 {
        self.features
    }

    fn configuration(&self) -> &[u8] {
        &self.configuration
    }

    fn queues(&self) -> usize {
        self.backing.queues
    }

    fn queue_size(&self) -> u16 {
        self.queue_size
    }

    fn start(&mut self, features: u64, queues: &mut [Queue]) -> bool {
        // A device that is used already is reset first.
        self.driver = None;
        match self.open(features, queues) {
            Ok(driver) => self.driver = Some(driver),
            Err(error) => println!("channel '{}': {error}", self.backing.channel),
        }
        self.driver.is_some()
    }

    fn serve(
        &mut self,
        _: &mut [Queue],
        notified: Option<usize>,
        _: &M,
    ) -> Result<bool, QueueError> {
        if let (Some(driver), Some(_)) = (&self.driver, notified) {
            driver.notify();
        }
        Ok(false)
    }

    /// The server says so, or is gone with the page on which it would.
    fn has_failed(&self) -> bool {
        let works = |driver: &Driver| {
            let shown = driver.status();
            shown.is_ok_and(|shown| shown & status::NEEDS_RESET == 0)
        };
        !self.driver.as_ref().is_none_or(works)
    }

    fn reset(&mut self) {
        self.driver = None;
    }
}
