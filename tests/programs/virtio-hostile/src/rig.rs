//! A device whose queue and memory can be made wrong at will.

use core::time::Duration;

use l4_abi::timeout::Timeout;
use l4_memory::Shared;
use l4_rt::{Cap, OwnedCap, env, time};
use l4_virtio::Layout;
use l4_virtio::transport::{Driver, status};
use l4re::mem_alloc::{ComponentLimits, DataspaceFlags};
use l4re::{Dataspace, MemAlloc, VirtioDevice};

pub(crate) const SIZE: u64 = 0x4000;
pub(crate) const QUEUE_SIZE: u16 = 8;
pub(crate) const HEADER: u64 = 0x1000;
pub(crate) const STATUS: u64 = 0x1100;
pub(crate) const DATA: u64 = 0x2000;

pub(crate) const NEXT: u16 = 1;
pub(crate) const WRITE: u16 = 2;

/// What the status byte holds until the device writes it.
const UNTOUCHED: u8 = 0xee;
const PAUSE: Duration = Duration::from_millis(1);

/// A kind of device: the name of the capability, and the kind that it says it has.
#[derive(Clone, Copy)]
pub(crate) struct Kind(pub(crate) &'static str, pub(crate) u32);

impl Kind {
    pub(crate) fn device(self) -> l4_rt::Result<Cap<VirtioDevice>> {
        Ok(env::cap(self.0)?)
    }
}

pub(crate) struct Rig {
    pub(crate) driver: Driver,
    pub(crate) memory: Shared,
    pub(crate) dataspace: OwnedCap<Dataspace>,
    /// Pays for the memory.
    pub(crate) owner: OwnedCap<MemAlloc>,
    pub(crate) layout: Layout,
}

impl Rig {
    /// Everything is shared, nothing is started.
    pub(crate) fn new(kind: Kind) -> l4_rt::Result<Self> {
        let driver = Driver::open(kind.device()?, kind.1, 0, 0)?;
        let limits = ComponentLimits {
            memory: 4 * SIZE,
            tag: "owner",
            priority: 1,
            cpus: 1,
        };
        let owner = env::mem_alloc().create_limited(limits, None)?;
        let dataspace = owner.create_dataspace(SIZE, DataspaceFlags::empty(), 0)?;
        let memory = Shared::writable(dataspace.as_cap())?;
        driver.share(0, dataspace.as_cap(), SIZE)?;
        Ok(Self {
            driver,
            memory,
            dataspace,
            owner,
            layout: Layout::contiguous(QUEUE_SIZE, 0)?,
        })
    }

    /// Starts the device, which has this one queue.
    pub(crate) fn start(&self, queue: u32) -> l4_rt::Result {
        self.driver.set_queue(queue, &self.layout)?;
        Ok(self.driver.start()?)
    }

    pub(crate) fn descriptor(&self, index: u16, address: u64, length: u32, flags: u16, next: u16) {
        let rest = u64::from(length) | u64::from(flags) << 32 | u64::from(next) << 48;
        let at = u64::from(index) * 16;
        self.memory.write(at, &address.to_le_bytes());
        self.memory.write(at + 8, &rest.to_le_bytes());
    }

    /// Makes so many chains available that begin with descriptor 0, and tells the device.
    pub(crate) fn offer(&self, count: u16) {
        let index = self.layout.available() + 2;
        self.memory.write(index, &count.to_le_bytes());
        self.driver.notify();
    }

    /// Makes a request with one buffer of data; its status.
    pub(crate) fn request(&self, kind: u32, sector: u64, data: (u64, u32), flags: u16) -> u8 {
        self.memory.write(HEADER, &kind.to_le_bytes());
        self.memory.write(HEADER + 8, &sector.to_le_bytes());
        self.memory.write(STATUS, &[UNTOUCHED]);
        self.descriptor(0, HEADER, 16, NEXT, 1);
        self.descriptor(1, data.0, data.1, NEXT | flags, 2);
        self.descriptor(2, STATUS, 1, WRITE, 0);
        let mut index = [0; 2];
        self.memory.read(self.layout.available() + 2, &mut index);
        self.offer(u16::from_le_bytes(index).wrapping_add(1));
        let mut byte = [UNTOUCHED];
        while byte == [UNTOUCHED] {
            let _ = self.driver.wait(Timeout::from_micros(1000));
            self.memory.read(STATUS, &mut byte);
        }
        byte[0]
    }
}

/// Waits until the device says that it was given nonsense.
pub(crate) fn expect_stopped(driver: &Driver) {
    while driver
        .status()
        .is_ok_and(|now| now & status::NEEDS_RESET == 0)
    {
        time::sleep(PAUSE);
    }
}
