//! A host on the network: a card with an address, and one TCP connection.

use alloc::vec;
use core::time::Duration;

use l4_rt::time;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};

use crate::card::Card;

const BUFFER: usize = 16 << 10;
/// Bits of an address that name the network.
const NETWORK: u8 = 24;
const LONGEST_WAIT: Duration = Duration::from_millis(100);

pub(crate) struct Host {
    card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    connection: SocketHandle,
}

fn now() -> Instant {
    Instant::from_micros(time::now().as_micros() as i64)
}

impl Host {
    pub(crate) fn new(mut card: Card, address: Ipv4Address) -> l4_rt::Result<Self> {
        let hardware = EthernetAddress(card.address()?);
        let config = Config::new(hardware.into());
        let mut interface = Interface::new(config, &mut card, now());
        interface.update_ip_addrs(|addresses| {
            // The list is empty, and has room for more than one.
            let _ = addresses.push(IpCidr::new(address.into(), NETWORK));
        });
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut sockets = SocketSet::new(vec![]);
        let connection = sockets.add(Socket::new(buffer(), buffer()));
        Ok(Self {
            card,
            interface,
            sockets,
            connection,
        })
    }

    pub(crate) fn listen(&mut self, port: u16) -> l4_rt::Result {
        let socket = self.sockets.get_mut::<Socket>(self.connection);
        socket.listen(port).map_err(|_| "cannot listen".into())
    }

    pub(crate) fn connect(&mut self, to: Ipv4Address, port: u16) -> l4_rt::Result {
        const OWN_PORT: u16 = 49152;
        let socket = self.sockets.get_mut::<Socket>(self.connection);
        let connected = socket.connect(self.interface.context(), (to, port), OWN_PORT);
        connected.map_err(|_| "cannot connect".into())
    }

    /// Lets frames come and go; waits if there are none.
    pub(crate) fn poll(&mut self) {
        let (card, sockets) = (&mut self.card, &mut self.sockets);
        self.interface.poll(now(), card, sockets);
    }

    pub(crate) fn wait(&mut self) {
        let delay = self.interface.poll_delay(now(), &self.sockets);
        let delay = delay.map_or(LONGEST_WAIT, |delay| {
            Duration::from_micros(delay.total_micros())
        });
        if !delay.is_zero() {
            self.card.wait(delay.min(LONGEST_WAIT));
        }
    }

    pub(crate) fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.connection)
    }
}
