//! Cards in ordinary memory, for tests of what the switch does with them.

use std::cell::Cell;

use l4_virtio::fixture::Ram;
use l4_virtio::{Buffer, DeviceQueue, DriverQueue, Layout, Memory, QueueError};

use crate::frame::{LONGEST, Mac};
use crate::options::Options;
use crate::switching::{Card, Cards, NET_HEADER, Port, RECEIVE, SEND, Switch};

/// Bytes of a card's memory.
pub const MEMORY: usize = 0x4000;
/// Descriptors of a queue.
pub const SIZE: u16 = 128;
/// Where the queues begin.
pub const QUEUES: [u64; 2] = [0, 0x1000];
/// Where a client has its buffers.
const BUFFERS: [u64; 2] = [0x2000, 0x3800];
/// Buffers for frames to come.
const EXPECTED: u64 = 3;
const BUFFER: u64 = (NET_HEADER + LONGEST) as u64;

/// A card whose client works in the same memory.
pub struct PlainCard {
    /// What it shares.
    pub memory: Ram,
    /// To receive and to send.
    pub queues: [Option<DeviceQueue>; 2],
    /// The client did something wrong.
    pub has_failed: bool,
    /// It is to go on later.
    pub has_rung: Cell<bool>,
}

impl Default for PlainCard {
    fn default() -> Self {
        Self {
            memory: Ram::new(MEMORY),
            queues: [RECEIVE, SEND].map(|queue| Some(DeviceQueue::new(layout(queue)))),
            has_failed: false,
            has_rung: Cell::new(false),
        }
    }
}

/// Where a queue lies, unless the client says otherwise.
pub fn layout(queue: usize) -> Layout {
    match Layout::contiguous(SIZE, QUEUES[queue]) {
        Ok(layout) => layout,
        Err(_) => unreachable!("it fits"),
    }
}

impl Card for PlainCard {
    type Memory = Ram;

    fn queue(&mut self, index: usize) -> Option<(&mut DeviceQueue, &Ram)> {
        let queue = self.queues[index].as_mut().filter(|_| !self.has_failed)?;
        Some((queue, &self.memory))
    }

    fn interrupt(&self) {}

    fn ring(&self) {
        self.has_rung.set(true);
    }

    fn fail(&mut self) {
        self.has_failed = true;
    }
}

/// Cards, whose labels are the numbers of their ports.
pub struct PlainCards(pub Vec<(PlainCard, Port)>);

impl PlainCards {
    /// One for each of the ports.
    pub fn new(switch: &mut Switch, ports: &[Options]) -> Self {
        let opened = ports.iter().enumerate().map(|(number, &options)| {
            let port = Port { number, options };
            switch.open(port, own(number));
            (PlainCard::default(), port)
        });
        Self(opened.collect())
    }

    /// The card at a port.
    pub fn at(&mut self, number: usize) -> &mut PlainCard {
        &mut self.0[number].0
    }
}

/// The address of a port's card.
pub fn own(number: usize) -> Mac {
    Mac::of_port(number as u8 + 1)
}

impl Cards for PlainCards {
    type Card = PlainCard;

    fn card(&mut self, label: u64) -> Option<(&mut PlainCard, Port)> {
        let (card, port) = self.0.get_mut(label as usize)?;
        Some((card, *port))
    }

    fn ports(&self) -> impl Iterator<Item = (u64, Port)> {
        (0..).zip(self.0.iter().map(|(_, port)| *port))
    }
}

/// A client that does all as it should.
pub struct Client {
    receive: DriverQueue<{ SIZE as usize }>,
    send: DriverQueue<{ SIZE as usize }>,
    /// Which buffer each token stands for.
    expected: Vec<(u16, u64)>,
}

impl Client {
    /// One that waits for frames.
    ///
    /// # Errors
    /// If the card's memory is too small.
    pub fn new(card: &PlainCard) -> Result<Self, QueueError> {
        let mut this = Self {
            receive: DriverQueue::new(layout(RECEIVE), &card.memory)?,
            send: DriverQueue::new(layout(SEND), &card.memory)?,
            expected: vec![],
        };
        for number in 0..EXPECTED {
            this.expect(card, BUFFERS[RECEIVE] + number * BUFFER)?;
        }
        Ok(this)
    }

    fn expect(&mut self, card: &PlainCard, address: u64) -> Result<(), QueueError> {
        let length = BUFFER as u32;
        let buffer = Buffer { address, length };
        if let Some(token) = self.receive.offer(&card.memory, &[], &[buffer])? {
            self.expected.push((token, address));
        }
        Ok(())
    }

    /// Puts a frame into its queue.
    ///
    /// # Errors
    /// If the frame is too long.
    pub fn send(&mut self, card: &PlainCard, frame: &[u8]) -> Result<(), QueueError> {
        while self.send.take(&card.memory)?.is_some() {}
        let address = BUFFERS[SEND];
        card.memory.write(address, &[0; NET_HEADER])?;
        card.memory.write(address + NET_HEADER as u64, frame)?;
        let length = (NET_HEADER + frame.len()) as u32;
        let buffer = Buffer { address, length };
        self.send.offer(&card.memory, &[buffer], &[])?;
        Ok(())
    }

    /// The next frame that has come.
    ///
    /// # Errors
    /// What the switch did wrong.
    pub fn received(&mut self, card: &PlainCard) -> Result<Option<Vec<u8>>, QueueError> {
        let Some(completion) = self.receive.take(&card.memory)? else {
            return Ok(None);
        };
        let place = (self.expected.iter()).position(|(token, _)| *token == completion.token);
        let (_, address) = self
            .expected
            .swap_remove(place.ok_or(QueueError::Completion)?);
        let length = (completion.written as usize).checked_sub(NET_HEADER);
        let mut frame = vec![0; length.ok_or(QueueError::Completion)?];
        card.memory.read(address + NET_HEADER as u64, &mut frame)?;
        self.expect(card, address)?;
        Ok(Some(frame))
    }
}
