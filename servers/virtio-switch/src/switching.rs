//! The frames between the ports.
//!
//! A frame goes to the port that has its target's address, or, if none has or it is for many, to all
//! others. A port that has no buffer for it misses it, as with any switch.

use l4_memory::{Memory, Shared};
use l4_rt::time;
use l4_virtio::{Chain, DeviceQueue, QueueError};

use crate::capture::{Capture, Log};
use crate::frame::{HEADER, LONGEST, Mac, addresses};
use crate::options::Options;
use crate::table::Table;

/// Ports that there can be.
pub const MOST_PORTS: usize = 16;
/// Frames of one port before the others have their turn.
pub const TURN: usize = 64;

/// The client receives through the first queue and sends through the second.
pub const RECEIVE: usize = 0;
/// The queue through which it sends.
pub const SEND: usize = 1;

/// Before each frame: flags, offloads that nobody has asked for, and at the end the number of buffers.
pub const NET_HEADER: usize = 12;
const NET_HEADER_BUFFERS: usize = 10;

/// A port.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// From 0 on.
    pub number: usize,
    /// What the configuration says about it.
    pub options: Options,
}

/// A client's network card.
pub trait Card {
    /// What its queues are in.
    type Memory: Memory;

    /// A queue and its memory, if the client uses it and has done nothing wrong.
    fn queue(&mut self, index: usize) -> Option<(&mut DeviceQueue, &Self::Memory)>;
    /// Tells the client of completed buffers.
    fn interrupt(&self);
    /// Behaves later as if the client had notified the card.
    fn ring(&self);
    /// Stops it: the client did something wrong.
    fn fail(&mut self);
}

/// The cards, by their clients' labels.
pub trait Cards {
    /// Each of them.
    type Card: Card;

    /// One, and its port.
    fn card(&mut self, label: u64) -> Option<(&mut Self::Card, Port)>;
    /// All labels and ports.
    fn ports(&self) -> impl Iterator<Item = (u64, Port)>;
}

/// The switch.
pub struct Switch {
    table: Table<MOST_PORTS>,
    /// In the dataspace `capture`, if there is one.
    capture: Option<Capture<Shared>>,
    /// From when a port asks for it.
    printed: Option<Capture<Log>>,
}

impl Switch {
    /// A switch without ports.
    pub const fn new(capture: Option<Capture<Shared>>) -> Self {
        Self {
            table: Table::new(),
            capture,
            printed: None,
        }
    }

    /// Whether there is a dataspace for captures.
    pub fn has_capture(&self) -> bool {
        self.capture.is_some()
    }

    /// A port begins, with this address.
    pub fn open(&mut self, port: Port, own: Mac) {
        if port.options.is_printed {
            self.printed.get_or_insert_with(|| Capture::new(Log));
        }
        self.table.open(port.number, own);
    }

    /// A port has gone.
    pub fn close(&mut self, number: usize) {
        self.table.close(number);
    }

    /// A client has notified its card: takes frames that it sends, and gives them to others.
    pub fn notified(&mut self, cards: &mut impl Cards, label: u64) {
        if let Some((card, _)) = cards.card(label)
            && let Some((queue, memory)) = card.queue(RECEIVE)
        {
            // New buffers are looked for when there is a frame.
            let _ = queue.set_notifications(memory, false);
        }
        if self.take_turn(cards, label).is_err()
            && let Some((card, _)) = cards.card(label)
        {
            card.fail();
        }
    }

    fn take_turn(&mut self, cards: &mut impl Cards, label: u64) -> Result<(), QueueError> {
        let mut buffer = [0; NET_HEADER + LONGEST];
        let mut taken = 0;
        while taken < TURN {
            let Some((card, port)) = cards.card(label) else {
                return Ok(());
            };
            let Some((queue, memory)) = card.queue(SEND) else {
                return Ok(());
            };
            let Some(chain) = queue.take(memory)? else {
                break;
            };
            taken += 1;
            let length = read(&chain, memory, &mut buffer)?;
            queue.complete(memory, chain, 0)?;
            if let Some(length) = length {
                self.forward(cards, port, &mut buffer[..length]);
            }
        }
        let Some((card, _)) = cards.card(label).filter(|_| taken > 0) else {
            return Ok(());
        };
        let wants = card.queue(SEND);
        if wants.is_some_and(|(queue, memory)| queue.wants_notification(memory) == Ok(true)) {
            card.interrupt();
        }
        if taken == TURN {
            card.ring();
        }
        Ok(())
    }

    /// Gives a frame, which has a network header before it, to whoever is to have it.
    fn forward(&mut self, cards: &mut impl Cards, from: Port, buffer: &mut [u8]) {
        let (head, frame) = buffer.split_at_mut(NET_HEADER);
        head.fill(0);
        head[NET_HEADER_BUFFERS] = 1;
        let Some((target, source)) = addresses(frame) else {
            return;
        };
        if !self.table.learn(source, from.number) {
            return;
        }
        self.capture(from.options, frame);
        let only = match target.is_group() {
            true => None,
            false => self.table.find(target),
        };
        let mut labels = [None; MOST_PORTS];
        let wanted = cards.ports().filter(|(_, port)| {
            let may = !(from.options.is_isolated && port.options.is_isolated);
            may && port.number != from.number && only.is_none_or(|only| only == port.number)
        });
        for (place, (label, _)) in labels.iter_mut().zip(wanted) {
            *place = Some(label);
        }
        for label in labels.into_iter().flatten() {
            let Some((card, port)) = cards.card(label) else {
                continue;
            };
            match deliver(card, buffer) {
                Ok(true) => self.capture(port.options, &buffer[NET_HEADER..]),
                Ok(false) => {}
                Err(_) => card.fail(),
            }
        }
    }

    fn capture(&mut self, port: Options, frame: &[u8]) {
        if let Some(capture) = self.capture.as_mut().filter(|_| port.is_captured) {
            capture.add(time::now(), frame);
        }
        if let Some(printed) = self.printed.as_mut().filter(|_| port.is_printed) {
            printed.add(time::now(), frame);
        }
    }
}

/// Reads a network header and a frame; `None` if they are too long or too short to be that.
fn read(
    chain: &Chain,
    memory: &impl Memory,
    buffer: &mut [u8],
) -> Result<Option<usize>, QueueError> {
    let length = chain.readable_length();
    let fits = (NET_HEADER + HEADER) as u64..=buffer.len() as u64;
    if !fits.contains(&length) {
        return Ok(None);
    }
    Ok(Some(chain.read(
        memory,
        0,
        &mut buffer[..length as usize],
    )?))
}

/// Puts a frame with its network header into a card's next buffer. Whether there was one.
fn deliver(card: &mut impl Card, buffer: &[u8]) -> Result<bool, QueueError> {
    let Some((queue, memory)) = card.queue(RECEIVE) else {
        return Ok(false);
    };
    let Some(chain) = queue.take(memory)? else {
        return Ok(false);
    };
    // A buffer that is too small for a whole frame goes back empty.
    let fits = chain.writable_length() >= buffer.len() as u64;
    let written = if fits {
        chain.write(memory, 0, buffer)?
    } else {
        0
    };
    queue.complete(memory, chain, written as u32)?;
    if queue.wants_notification(memory)? {
        card.interrupt();
    }
    Ok(fits)
}

#[cfg(test)]
mod tests;
