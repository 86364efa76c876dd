//! A port of the switch as a network card for smoltcp.

use alloc::vec::Vec;
use core::time::Duration;

use l4_abi::timeout::Timeout;
use l4_memory::Shared;
use l4_rt::{OwnedCap, env};
use l4_virtio::transport::{Driver, kind};
use l4_virtio::{Buffer, DriverQueue, Layout, Memory};
use l4re::mem_alloc::DataspaceFlags;
use l4re::{Dataspace, VirtioDevice};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

const FEATURE_MAC: u64 = 1 << 5;
/// Before each frame: what offloads are asked for; none.
const HEADER: usize = 12;
const LONGEST_FRAME: usize = 1514;

/// Descriptors of each queue; each buffer has one.
const BUFFERS: usize = 32;
const BUFFER_SIZE: u64 = 2048;

/// Where everything is in the memory that is shared.
const RECEIVE_QUEUE: u64 = 0;
const SEND_QUEUE: u64 = 0x1000;
const RECEIVE_BUFFERS: u64 = 0x2000;
const SEND_BUFFERS: u64 = RECEIVE_BUFFERS + BUFFERS as u64 * BUFFER_SIZE;
const SIZE: u64 = SEND_BUFFERS + BUFFERS as u64 * BUFFER_SIZE;

pub(crate) struct Card {
    driver: Driver,
    receive: Direction,
    send: Direction,
    memory: Shared,
    _dataspace: OwnedCap<Dataspace>,
}

/// A queue, and which buffer each request in it has.
struct Direction {
    queue: DriverQueue<BUFFERS>,
    first: u64,
    buffer_of: [u64; BUFFERS],
    free: Vec<u64>,
}

impl Direction {
    fn new(memory: &Shared, queue: u64, buffers: u64) -> l4_rt::Result<Self> {
        let layout = Layout::contiguous(BUFFERS as u16, queue)?;
        Ok(Self {
            queue: DriverQueue::new(layout, memory)?,
            first: buffers,
            buffer_of: [0; BUFFERS],
            free: (0..BUFFERS as u64).rev().collect(),
        })
    }

    fn address(&self, buffer: u64) -> u64 {
        self.first + buffer * BUFFER_SIZE
    }

    /// The buffer of a completed request, and how much was written to it.
    fn take(&mut self, memory: &Shared) -> Option<(u64, usize)> {
        let completion = self.queue.take(memory).ok()??;
        let buffer = self.buffer_of[usize::from(completion.token)];
        Some((buffer, completion.written as usize))
    }

    fn offer(&mut self, memory: &Shared, buffer: u64, to_send: Option<usize>) {
        let place = [Buffer {
            address: self.address(buffer),
            length: to_send.unwrap_or(BUFFER_SIZE as usize) as u32,
        }];
        let offered = match to_send {
            Some(_) => self.queue.offer(memory, &place, &[]),
            None => self.queue.offer(memory, &[], &place),
        };
        if let Ok(Some(token)) = offered {
            self.buffer_of[usize::from(token)] = buffer;
        }
    }
}

impl Card {
    pub(crate) fn open(name: &'static str) -> l4_rt::Result<Self> {
        let device = env::cap::<VirtioDevice>(name)?;
        let driver = Driver::open(device, kind::NET, FEATURE_MAC, 0)?;
        let dataspace = env::mem_alloc().create_dataspace(SIZE, DataspaceFlags::empty(), 0)?;
        let memory = Shared::writable(dataspace.as_cap())?;
        let mut receive = Direction::new(&memory, RECEIVE_QUEUE, RECEIVE_BUFFERS)?;
        let send = Direction::new(&memory, SEND_QUEUE, SEND_BUFFERS)?;
        while let Some(buffer) = receive.free.pop() {
            receive.offer(&memory, buffer, None);
        }
        driver.share(0, dataspace.as_cap(), SIZE)?;
        driver.set_queue(0, receive.queue.layout())?;
        driver.set_queue(1, send.queue.layout())?;
        driver.start()?;
        Ok(Self {
            driver,
            receive,
            send,
            memory,
            _dataspace: dataspace,
        })
    }

    pub(crate) fn address(&self) -> l4_rt::Result<[u8; 6]> {
        let mut address = [0; 6];
        self.driver.read_config(0, &mut address)?;
        Ok(address)
    }

    /// Lets everybody know that this card is there.
    pub(crate) fn announce(&mut self) -> l4_rt::Result {
        const BROADCAST: [u8; 6] = [0xff; 6];
        const LOCAL_EXPERIMENT: [u8; 2] = [0x88, 0xb5];
        let mut frame = [0; 60];
        frame[..6].copy_from_slice(&BROADCAST);
        frame[6..12].copy_from_slice(&self.address()?);
        frame[12..14].copy_from_slice(&LOCAL_EXPERIMENT);
        if self.can_send() {
            self.transmit(&frame);
        }
        Ok(())
    }

    /// Waits until something has come, or been sent, but no longer than that.
    pub(crate) fn wait(&self, longest: Duration) {
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        let _ = self.driver.wait(Timeout::from_micros(longest.max(1)));
    }

    fn transmit(&mut self, frame: &[u8]) {
        let memory = &self.memory;
        let Some(buffer) = self.send.free.pop() else {
            return;
        };
        let address = self.send.address(buffer);
        let written = Memory::write(memory, address, &[0; HEADER])
            .and_then(|()| Memory::write(memory, address + HEADER as u64, frame));
        if written.is_ok() {
            self.send.offer(memory, buffer, Some(HEADER + frame.len()));
            if self.send.queue.wants_notification(memory) != Ok(false) {
                self.driver.notify();
            }
        }
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let memory = &self.memory;
        let (buffer, length) = self.receive.take(memory)?;
        let mut frame = alloc::vec![0; length.saturating_sub(HEADER)];
        let address = self.receive.address(buffer) + HEADER as u64;
        let read = Memory::read(memory, address, &mut frame);
        self.receive.offer(memory, buffer, None);
        read.ok().map(|()| frame)
    }

    /// Whether there is a buffer to send with.
    fn can_send(&mut self) -> bool {
        while let Some((buffer, _)) = self.send.take(&self.memory) {
            self.send.free.push(buffer);
        }
        !self.send.free.is_empty()
    }
}

pub(crate) struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, body: F) -> R {
        body(&self.0)
    }
}

pub(crate) struct ToSend<'a>(&'a mut Card);

impl phy::TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, body: F) -> R {
        let mut frame = alloc::vec![0; length];
        let result = body(&mut frame);
        self.0.transmit(&frame);
        result
    }
}

impl phy::Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, ToSend<'_>)> {
        if !self.can_send() {
            return None;
        }
        let frame = Card::receive(self)?;
        Some((Received(frame), ToSend(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<ToSend<'_>> {
        self.can_send().then_some(ToSend(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = LONGEST_FRAME;
        capabilities
    }
}
