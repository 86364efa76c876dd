//! The clients: each has a device whose requests are filled with random bytes.

use l4_ipc::factory::Arguments;
use l4_ipc::{Outcome, ResultCode};
use l4_virtio::QueueError;
use l4_virtio::transport::{Description, Device, Service, Session, Sessions, kind, options};

use crate::generator::Generator;

/// Clients that there can be.
const MOST_CLIENTS: usize = 16;
const QUEUE_SIZE: u16 = 64;
/// Requests of one client before the others have their turn, and bytes that each gets at most.
const TURN: usize = 8;
const MOST_BYTES: usize = 4096;

/// The entropy server.
pub struct Entropy {
    generator: Generator,
}

impl Entropy {
    /// One that has a seed.
    pub fn new(generator: Generator) -> Self {
        Self { generator }
    }

    fn take_turn(&mut self, device: &mut Device) -> Result<(), QueueError> {
        let Some((queue, memory)) = device.queue(0) else {
            return Ok(());
        };
        let mut bytes = [0; MOST_BYTES];
        let mut handled = 0;
        while handled < TURN {
            let Some(chain) = queue.take(memory)? else {
                break;
            };
            let length = chain.writable_length().min(MOST_BYTES as u64) as usize;
            self.generator.fill(&mut bytes[..length]);
            let written = chain.write(memory, 0, &bytes[..length])?;
            queue.complete(memory, chain, written as u32)?;
            handled += 1;
        }
        if handled > 0 && queue.wants_notification(memory)? {
            device.interrupt();
        }
        if handled == TURN {
            device.ring();
        }
        Ok(())
    }
}

impl Service<MOST_CLIENTS> for Entropy {
    type State = ();

    fn open(
        &mut self,
        _label: u64,
        arguments: &mut Arguments,
        make: &mut dyn FnMut(&Description<'_>) -> Outcome<Device>,
    ) -> Outcome<(Device, ())> {
        let shared_limit = options(arguments, |_, _| Err(ResultCode::EINVAL))?;
        let device = make(&Description {
            kind: kind::ENTROPY,
            features: 0,
            queues: &[QUEUE_SIZE],
            config: &[],
            shared_limit,
        })?;
        Ok((device, ()))
    }

    fn notified(&mut self, sessions: &mut Sessions<(), MOST_CLIENTS>, label: u64) {
        if let Some(Session { device, .. }) = sessions.get_mut(label)
            && self.take_turn(device).is_err()
        {
            device.fail();
        }
    }
}
