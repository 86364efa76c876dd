//! The ports and the frames between them.
//!
//! A frame goes to the port that has its target's address, or, if none has or it is for many, to all
//! others. A port that has no buffer for it misses it, as with any switch.

use l4_ipc::factory::Arguments;
use l4_ipc::{Outcome, ResultCode};
use l4_memory::Shared;
use l4_rt::{env, time};
use l4_virtio::transport::{Description, Device, Service, Sessions, kind};
use l4_virtio::{Chain, QueueError};
use l4re::Dataspace;

use crate::capture::{Capture, Log};
use crate::frame::{HEADER, LONGEST, Mac, addresses};
use crate::options::Options;
use crate::table::Table;

/// Ports that there can be.
const MOST_PORTS: usize = 16;
/// Frames of one port before the others have their turn.
const TURN: usize = 64;

const QUEUE_SIZE: u16 = 256;
/// The client receives through the first queue and sends through the second.
const RECEIVE: usize = 0;
const SEND: usize = 1;

/// Feature bit: the configuration has the card's address (virtio 1.2 §5.1.3).
const FEATURE_MAC: u64 = 1 << 5;
/// Before each frame: flags, offloads that nobody has asked for, and at the end the number of buffers.
const NET_HEADER: usize = 12;
const NET_HEADER_BUFFERS: usize = 10;

/// The switch.
pub struct Switch {
    table: Table<MOST_PORTS>,
    /// In the dataspace `capture`, if there is one.
    capture: Option<Capture<Shared>>,
    /// From when a port asks for it.
    printed: Option<Capture<Log>>,
}

/// A port.
pub struct Port {
    number: usize,
    options: Options,
}

type Ports = Sessions<Port, MOST_PORTS>;

impl Switch {
    /// A switch without ports.
    pub fn new() -> l4_rt::Result<Self> {
        let capture = match env::cap::<Dataspace>("capture") {
            Ok(dataspace) => Some(Capture::new(Shared::writable(dataspace)?)),
            Err(_) => None,
        };
        Ok(Self {
            table: Table::new(),
            capture,
            printed: None,
        })
    }

    /// Takes frames that a port sends, and gives them to others.
    fn take_turn(&mut self, ports: &mut Ports, label: u64) -> Result<(), QueueError> {
        let mut buffer = [0; NET_HEADER + LONGEST];
        let mut taken = 0;
        while taken < TURN {
            let Some(session) = ports.get_mut(label) else {
                return Ok(());
            };
            let (number, options) = (session.state.number, session.state.options);
            let Some((queue, memory)) = session.device.queue(SEND) else {
                return Ok(());
            };
            let Some(chain) = queue.take(memory)? else {
                break;
            };
            taken += 1;
            let length = read(&chain, memory, &mut buffer)?;
            queue.complete(memory, chain, 0)?;
            if let Some(length) = length {
                self.forward(ports, (number, options), &mut buffer[..length]);
            }
        }
        let Some(session) = ports.get_mut(label).filter(|_| taken > 0) else {
            return Ok(());
        };
        let wants = session.device.queue(SEND);
        if wants.is_some_and(|(queue, memory)| queue.wants_notification(memory) == Ok(true)) {
            session.device.interrupt();
        }
        if taken == TURN {
            session.device.ring();
        }
        Ok(())
    }

    /// Gives a frame, which has a network header before it, to whoever is to have it.
    fn forward(&mut self, ports: &mut Ports, from: (usize, Options), buffer: &mut [u8]) {
        let (head, frame) = buffer.split_at_mut(NET_HEADER);
        head.fill(0);
        head[NET_HEADER_BUFFERS] = 1;
        let Some((target, source)) = addresses(frame) else {
            return;
        };
        let (number, options) = from;
        if !self.table.learn(source, number) {
            return;
        }
        self.capture(options, frame);
        let only = match target.is_group() {
            true => None,
            false => self.table.find(target),
        };
        let mut labels = [None; MOST_PORTS];
        let wanted = ports.iter().filter(|(_, session)| {
            let port = &session.state;
            let may = !(options.is_isolated && port.options.is_isolated);
            may && port.number != number && only.is_none_or(|only| only == port.number)
        });
        for (place, (label, _)) in labels.iter_mut().zip(wanted) {
            *place = Some(label);
        }
        for label in labels.into_iter().flatten() {
            let Some(session) = ports.get_mut(label) else {
                continue;
            };
            match deliver(&mut session.device, buffer) {
                Ok(true) => self.capture(session.state.options, &buffer[NET_HEADER..]),
                Ok(false) => {}
                Err(_) => session.device.fail(),
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
    memory: &impl l4_virtio::Memory,
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

/// Puts a frame with its network header into a port's next buffer. Whether there was one.
fn deliver(device: &mut Device, buffer: &[u8]) -> Result<bool, QueueError> {
    let Some((queue, memory)) = device.queue(RECEIVE) else {
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
        device.interrupt();
    }
    Ok(fits)
}

impl Service<MOST_PORTS> for Switch {
    type State = Port;

    fn open(
        &mut self,
        label: u64,
        arguments: &mut Arguments,
        make: &mut dyn FnMut(&Description<'_>) -> Outcome<Device>,
    ) -> Outcome<(Device, Port)> {
        let options = Options::take(arguments)?;
        if options.is_captured && self.capture.is_none() {
            return Err(ResultCode::ENOENT);
        }
        if options.is_printed {
            self.printed.get_or_insert_with(|| Capture::new(Log));
        }
        let number = Ports::place(label).ok_or(ResultCode::EINVAL)?;
        let mac = Mac::of_port(number as u8 + 1);
        let device = make(&Description {
            kind: kind::NET,
            features: FEATURE_MAC,
            queues: &[QUEUE_SIZE; 2],
            config: &mac.0,
            shared_limit: options.shared,
        })?;
        self.table.open(number, mac);
        Ok((device, Port { number, options }))
    }

    fn notified(&mut self, ports: &mut Ports, label: u64) {
        if let Some(session) = ports.get_mut(label)
            && let Some((queue, memory)) = session.device.queue(RECEIVE)
        {
            // New buffers are looked for when there is a frame.
            let _ = queue.set_notifications(memory, false);
        }
        if self.take_turn(ports, label).is_err()
            && let Some(session) = ports.get_mut(label)
        {
            session.device.fail();
        }
    }

    fn closed(&mut self, label: u64) {
        if let Some(number) = Ports::place(label) {
            self.table.close(number);
        }
    }
}
