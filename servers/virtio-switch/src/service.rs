//! The clients and their cards.

use l4_ipc::factory::Arguments;
use l4_ipc::{Outcome, ResultCode};
use l4_memory::Shared;
use l4_rt::env;
use l4_virtio::DeviceQueue;
use l4_virtio::transport::{ClientMemory, Description, Device, Service, Sessions, kind};
use l4re::Dataspace;

use crate::capture::Capture;
use crate::frame::Mac;
use crate::options::Options;
use crate::switching::{Card, Cards, MOST_PORTS, Port, Switch};

const QUEUE_SIZE: u16 = 256;

/// Feature bit: the configuration has the card's address (virtio 1.2 §5.1.3).
const FEATURE_MAC: u64 = 1 << 5;

type Ports = Sessions<Port, MOST_PORTS>;

/// The switch of this program.
///
/// # Errors
/// If there is a dataspace for captures that cannot be written.
pub fn switch() -> l4_rt::Result<Switch> {
    let capture = match env::cap::<Dataspace>("capture") {
        Ok(dataspace) => Some(Capture::new(Shared::writable(dataspace)?)),
        Err(_) => None,
    };
    Ok(Switch::new(capture))
}

impl Card for Device {
    type Memory = ClientMemory;

    fn queue(&mut self, index: usize) -> Option<(&mut DeviceQueue, &ClientMemory)> {
        self.queue(index)
    }

    fn interrupt(&self) {
        self.interrupt();
    }

    fn ring(&self) {
        self.ring();
    }

    fn fail(&mut self) {
        self.fail();
    }
}

impl Cards for Ports {
    type Card = Device;

    fn card(&mut self, label: u64) -> Option<(&mut Device, Port)> {
        let session = self.get_mut(label)?;
        Some((&mut session.device, session.state))
    }

    fn ports(&self) -> impl Iterator<Item = (u64, Port)> {
        self.iter().map(|(label, session)| (label, session.state))
    }
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
        if options.is_captured && !self.has_capture() {
            return Err(ResultCode::ENOENT);
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
        let port = Port { number, options };
        self.open(port, mac);
        Ok((device, port))
    }

    fn notified(&mut self, ports: &mut Ports, label: u64) {
        self.notified(ports, label);
    }

    fn closed(&mut self, label: u64) {
        if let Some(number) = Ports::place(label) {
            self.close(number);
        }
    }
}
