//! A disk, as its driver sees it: one request at a time.

use l4_abi::timeout::Timeout;
use l4_memory::Shared;
use l4_rt::{OwnedCap, env};
use l4_virtio::transport::{Driver, DriverError, kind};
use l4_virtio::{Buffer, DriverQueue, Layout, Memory};
use l4re::mem_alloc::DataspaceFlags;
use l4re::{Dataspace, VirtioDevice};

/// Bytes of a sector.
pub(crate) const SECTOR: usize = 512;
/// Sectors that one request can have here.
pub(crate) const MOST_SECTORS: usize = 32;

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_FLUSH: u64 = 1 << 9;

const QUEUE_SIZE: usize = 8;
/// Where everything is in the memory that is shared.
const HEADER: u64 = 0x1000;
const STATUS: u64 = 0x1010;
const DATA: u64 = 0x2000;
const SIZE: u64 = DATA + (MOST_SECTORS * SECTOR) as u64;

pub(crate) struct Disk {
    driver: Driver,
    queue: DriverQueue<QUEUE_SIZE>,
    memory: Shared,
    _dataspace: OwnedCap<Dataspace>,
}

impl Disk {
    pub(crate) fn open(name: &'static str) -> l4_rt::Result<Self> {
        let device = env::cap::<VirtioDevice>(name)?;
        let driver = Driver::open(device, kind::BLOCK, FEATURE_READ_ONLY | FEATURE_FLUSH, 0)?;
        let dataspace = env::mem_alloc().create_dataspace(SIZE, DataspaceFlags::empty(), 0)?;
        let memory = Shared::writable(dataspace.as_cap())?;
        let layout = Layout::contiguous(QUEUE_SIZE as u16, 0)?;
        let queue = DriverQueue::new(layout, &memory)?;
        driver.share(0, dataspace.as_cap(), SIZE)?;
        driver.set_queue(0, &layout)?;
        driver.start()?;
        Ok(Self {
            driver,
            queue,
            memory,
            _dataspace: dataspace,
        })
    }

    pub(crate) fn sectors(&self) -> Result<u64, DriverError> {
        let mut capacity = [0; 8];
        self.driver.read_config(0, &mut capacity)?;
        Ok(u64::from_le_bytes(capacity))
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.driver.features() & FEATURE_READ_ONLY != 0
    }

    /// Reads sectors. The status of the request: 0 if all went well.
    pub(crate) fn read(&mut self, sector: u64, target: &mut [u8]) -> Result<u8, DriverError> {
        let status = self.request(READ, sector, &[], &[data(target.len())])?;
        self.memory.read(DATA, target);
        Ok(status)
    }

    pub(crate) fn write(&mut self, sector: u64, source: &[u8]) -> Result<u8, DriverError> {
        self.memory.write(DATA, source);
        self.request(WRITE, sector, &[data(source.len())], &[])
    }

    pub(crate) fn flush(&mut self) -> Result<u8, DriverError> {
        self.request(FLUSH, 0, &[], &[])
    }

    fn request(
        &mut self,
        kind: u32,
        sector: u64,
        out: &[Buffer],
        input: &[Buffer],
    ) -> Result<u8, DriverError> {
        let memory = &self.memory;
        Memory::write(memory, HEADER, &u64::from(kind).to_le_bytes())?;
        Memory::write(memory, HEADER + 8, &sector.to_le_bytes())?;
        let header = Buffer {
            address: HEADER,
            length: 16,
        };
        let status = Buffer {
            address: STATUS,
            length: 1,
        };
        let (mut readable, mut writable) = ([header; 2], [status; 2]);
        readable[1..][..out.len()].copy_from_slice(out);
        writable[..input.len()].copy_from_slice(input);
        let readable = &readable[..1 + out.len()];
        self.queue
            .offer(memory, readable, &writable[..1 + input.len()])?;
        if self.queue.wants_notification(memory)? {
            self.driver.notify();
        }
        while self.queue.take(memory)?.is_none() {
            self.driver.wait(Timeout::NEVER)?;
        }
        let mut status = [0];
        Memory::read(memory, STATUS, &mut status)?;
        Ok(status[0])
    }
}

fn data(length: usize) -> Buffer {
    Buffer {
        address: DATA,
        length: length as u32,
    }
}
