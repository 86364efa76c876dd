//! Which hardware address is at which port.
//!
//! No port can take an address from another: the one that the switch gave it is its own from the
//! beginning, whoever used it before, and any other belongs to the first port that used it, as long as
//! that port is there. A port that uses many loses its own oldest ones.

use crate::frame::Mac;

/// Addresses that each port can have, the one that it was given first among them.
const PER_PORT: usize = 16;

/// The addresses of up to `N` ports.
#[derive(Debug)]
pub struct Table<const N: usize> {
    ports: [Port; N],
}

#[derive(Clone, Copy, Debug)]
struct Port {
    addresses: [Option<Mac>; PER_PORT],
    /// Where the next address goes.
    next: usize,
}

const EMPTY: Port = Port {
    addresses: [None; PER_PORT],
    next: 1,
};

impl<const N: usize> Table<N> {
    /// No addresses.
    pub const fn new() -> Self {
        Self { ports: [EMPTY; N] }
    }

    /// A port begins, with an address of its own, which no other keeps.
    pub fn open(&mut self, port: usize, own: Mac) {
        let addresses = self.ports.iter_mut().flat_map(|port| &mut port.addresses);
        for address in addresses.filter(|address| **address == Some(own)) {
            *address = None;
        }
        if let Some(place) = self.ports.get_mut(port) {
            *place = EMPTY;
            place.addresses[0] = Some(own);
        }
    }

    /// Forgets all addresses of a port.
    pub fn close(&mut self, port: usize) {
        if let Some(place) = self.ports.get_mut(port) {
            *place = EMPTY;
        }
    }

    /// The port with an address.
    pub fn find(&self, address: Mac) -> Option<usize> {
        let has = |port: &Port| port.addresses.contains(&Some(address));
        self.ports.iter().position(has)
    }

    /// Notes that a frame came from `source` through `port`. Whether it may: not if the address is
    /// another port's, or that of a group.
    pub fn learn(&mut self, source: Mac, port: usize) -> bool {
        if source.is_group() {
            return false;
        }
        if let Some(known) = self.find(source) {
            return known == port;
        }
        let Some(place) = self.ports.get_mut(port) else {
            return false;
        };
        place.addresses[place.next] = Some(source);
        // The first one stays.
        place.next = place.next % (PER_PORT - 1) + 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(number: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, number])
    }

    #[test]
    fn addresses_are_found_where_they_were_seen() {
        let mut table = Table::<3>::new();
        table.open(0, mac(100));
        table.open(1, mac(101));
        assert_eq!(table.find(mac(101)), Some(1));
        assert_eq!(table.find(mac(1)), None);
        assert!(table.learn(mac(1), 0) && table.learn(mac(1), 0));
        assert_eq!(table.find(mac(1)), Some(0));
        table.close(0);
        assert_eq!(table.find(mac(1)), None);
        assert_eq!(table.find(mac(100)), None);
        assert!(!table.learn(mac(5), 99));
    }

    #[test]
    fn nobody_takes_the_address_of_another_port() {
        let mut table = Table::<2>::new();
        table.open(0, mac(100));
        table.open(1, mac(101));
        assert!(table.learn(mac(1), 0));
        assert!(!table.learn(mac(1), 1) && !table.learn(mac(100), 1));
        assert!(!table.learn(Mac([0xff; 6]), 1));
        assert_eq!(
            (table.find(mac(1)), table.find(mac(100))),
            (Some(0), Some(0))
        );
        table.close(0);
        assert!(table.learn(mac(1), 1));
    }

    #[test]
    fn a_port_that_begins_gets_its_own_address_back_from_who_used_it() {
        let mut table = Table::<2>::new();
        table.open(0, mac(100));
        assert!(table.learn(mac(101), 0));
        table.open(1, mac(101));
        assert_eq!(table.find(mac(101)), Some(1));
        assert!(table.learn(mac(101), 1) && !table.learn(mac(101), 0));
    }

    #[test]
    fn a_port_with_many_addresses_loses_only_its_own() {
        let mut table = Table::<2>::new();
        table.open(0, mac(200));
        table.open(1, mac(201));
        assert!(table.learn(mac(199), 1));
        for number in 0..100 {
            assert!(table.learn(mac(number), 0));
        }
        assert_eq!(table.find(mac(99)), Some(0));
        assert_eq!(table.find(mac(0)), None);
        assert_eq!(table.find(mac(200)), Some(0));
        assert_eq!(table.find(mac(199)), Some(1));
        let known = (0..100).filter(|&number| table.find(mac(number)).is_some());
        assert_eq!(known.count(), PER_PORT - 1);
    }
}
