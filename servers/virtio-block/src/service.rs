//! The clients and their disks.

use alloc::vec::Vec;
use core::str::from_utf8;

use l4_ipc::factory::Arguments;
use l4_ipc::{Outcome, ResultCode};
use l4_memory::Shared;
use l4_rt::env;
use l4_virtio::QueueError;
use l4_virtio::transport::{Description, Device, Service, Session, Sessions, kind};
use l4re::{Dataspace, Namespace};

use crate::disk::Disk;
use crate::options::Options;
use crate::request::{self, feature};

/// Clients that there can be.
const MOST_CLIENTS: usize = 16;
const QUEUE_SIZE: u16 = 256;
/// What the requests of one client cost before the others have their turn.
const TURN: u64 = 1 << 20;

/// The block server.
pub struct Disks;

type Content = Option<Shared>;

impl Service<MOST_CLIENTS> for Disks {
    type State = Disk<Content>;

    fn open(
        &mut self,
        _label: u64,
        arguments: &mut Arguments,
        make: &mut dyn FnMut(&Description<'_>) -> Outcome<Device>,
    ) -> Outcome<(Device, Self::State)> {
        let options = Options::take(arguments)?;
        let content = options.file.as_deref().map(open_file).transpose()?;
        let size = content.as_ref().map_or(0, Shared::size);
        let disk = Disk::new(content, options.size.unwrap_or(size), options.writes);
        let disk = disk.map_err(|_| ResultCode::ENOMEM)?;
        if disk.sectors() == 0 {
            return Err(ResultCode::EINVAL);
        }
        let mut features = feature::SEGMENT_SIZE | feature::SEGMENTS | feature::FLUSH;
        if disk.is_read_only() {
            features |= feature::READ_ONLY;
        }
        let device = make(&Description {
            kind: kind::BLOCK,
            features,
            queues: &[QUEUE_SIZE],
            config: &config(disk.sectors()),
            shared_limit: options.shared,
        })?;
        Ok((device, disk))
    }

    fn notified(&mut self, sessions: &mut Sessions<Self::State, MOST_CLIENTS>, label: u64) {
        let Some(Session { device, state, .. }) = sessions.get_mut(label) else {
            return;
        };
        match take_turn(device, state) {
            Ok(Turn::Over) => device.ring(),
            Ok(Turn::Done) => {}
            Err(_) => device.fail(),
        }
    }
}

/// Whether there may be requests left.
enum Turn {
    Done,
    Over,
}

fn take_turn(device: &mut Device, disk: &mut Disk<Content>) -> Result<Turn, QueueError> {
    let Some((queue, memory)) = device.queue(0) else {
        return Ok(Turn::Done);
    };
    let mut cost = 0;
    while cost < TURN {
        let Some(chain) = queue.take(memory)? else {
            break;
        };
        cost += request::cost(&chain);
        // One that has no place for its status goes back as it came.
        let written = request::handle(disk, &chain, memory).unwrap_or(0);
        queue.complete(memory, chain, written)?;
    }
    if cost > 0 && queue.wants_notification(memory)? {
        device.interrupt();
    }
    Ok(match cost {
        TURN.. => Turn::Over,
        _ => Turn::Done,
    })
}

fn open_file(name: &[u8]) -> Outcome<Shared> {
    let name = from_utf8(name).map_err(|_| ResultCode::EINVAL)?;
    let rom = env::cap::<Namespace>("rom").map_err(|_| ResultCode::ENOENT)?;
    let file = rom.lookup::<Dataspace>(name)?;
    // Attached, it needs no capability.
    Ok(Shared::read_only(file.as_cap())?)
}

/// Capacity, and how long and how many buffers of data a request can have (virtio 1.2 §5.2.4).
fn config(sectors: u64) -> Vec<u8> {
    const SEGMENT_SIZE_AT: usize = 8;
    const SEGMENTS_AT: usize = 12;
    const BYTES: usize = 60;
    let mut config = alloc::vec![0; BYTES];
    config[..8].copy_from_slice(&sectors.to_le_bytes());
    for (at, value) in [
        (SEGMENT_SIZE_AT, request::SEGMENT_SIZE),
        (SEGMENTS_AT, request::SEGMENTS),
    ] {
        config[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    config
}
