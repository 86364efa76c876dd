//! Clients attack the switch: their own cards stop, and the frames of others go on.

use super::*;
use crate::fixture::{Client, MEMORY, PlainCard, PlainCards, QUEUES, SIZE, layout, own};
use l4_virtio::Layout;

/// The attacker's port, and those of two honest clients.
const ATTACKER: usize = 0;
const ONE: usize = 1;
const OTHER: usize = 2;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
const DATA: u64 = 0x2000;

const EVERYBODY: Mac = Mac([0xff; 6]);

struct World {
    switch: Switch,
    cards: PlainCards,
    one: Client,
    other: Client,
}

impl World {
    fn new() -> Self {
        Self::with(&[Options::default(); 3])
    }

    fn with(ports: &[Options]) -> Self {
        let mut switch = Switch::new(None);
        let mut cards = PlainCards::new(&mut switch, ports);
        let mut client = |port| Client::new(cards.at(port)).unwrap();
        let (one, other) = (client(ONE), client(OTHER));
        Self {
            switch,
            cards,
            one,
            other,
        }
    }

    fn attacker(&mut self) -> &mut PlainCard {
        self.cards.at(ATTACKER)
    }

    fn notify(&mut self, port: usize) {
        self.switch.notified(&mut self.cards, port as u64);
    }

    fn send(&mut self, frame: &[u8]) {
        self.one.send(self.cards.at(ONE), frame).unwrap();
        self.notify(ONE);
    }

    fn came_to_other(&mut self) -> Option<Vec<u8>> {
        self.other.received(self.cards.at(OTHER)).unwrap()
    }

    /// The two honest clients still reach each other.
    fn check(&mut self) {
        for target in [own(OTHER), EVERYBODY] {
            let sent = frame(target, own(ONE), 60);
            self.send(&sent);
            assert_eq!(self.came_to_other(), Some(sent));
        }
        assert!(!self.cards.at(ONE).has_failed && !self.cards.at(OTHER).has_failed);
    }
}

fn frame(target: Mac, source: Mac, length: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..length).map(|at| at as u8).collect();
    frame[..6].copy_from_slice(&target.0);
    frame[6..12].copy_from_slice(&source.0);
    frame
}

fn describe(card: &PlainCard, queue: usize, index: u64, (address, length, flags, next): Link) {
    let rest = u64::from(length) | u64::from(flags) << 32 | u64::from(next) << 48;
    let at = QUEUES[queue] + 16 * index;
    card.memory.write(at, &address.to_le_bytes()).unwrap();
    card.memory.write(at + 8, &rest.to_le_bytes()).unwrap();
}

/// Makes so many chains available, all of which begin with the first descriptor.
fn offer(card: &PlainCard, queue: usize, count: u16) {
    let index = layout(queue).available() + 2;
    card.memory.store(index, count).unwrap();
}

/// A descriptor: address, length, flags, next.
type Link = (u64, u32, u16, u16);

/// Chains that are wrong whoever reads them.
const WRONG: [[Link; 2]; 6] = [
    // A loop.
    [(DATA, 16, NEXT, 1), (DATA, 16, NEXT, 0)],
    [(DATA, 16, NEXT | WRITE, 1), (DATA, 16, NEXT | WRITE, 0)],
    // Out of the table.
    [(DATA, 16, NEXT, SIZE), (0, 0, 0, 0)],
    [(DATA, 16, NEXT | WRITE, u16::MAX), (0, 0, 0, 0)],
    [(DATA, 16, INDIRECT, 0), (0, 0, 0, 0)],
    // To be read behind what is to be written.
    [(DATA, 16, NEXT | WRITE, 1), (DATA, 60, 0, 0)],
];

/// Addresses at which there is nothing, or not all of a frame.
const WILD: [u64; 4] = [MEMORY as u64, MEMORY as u64 - 59, 1 << 40, u64::MAX];

#[test]
fn a_card_that_sends_nonsense_is_stopped_and_the_others_go_on() {
    let wild = WILD.map(|address| [(address, 80, 0, 0), (0, 0, 0, 0)]);
    for chain in WRONG.into_iter().chain(wild) {
        let mut world = World::new();
        let card = world.attacker();
        (0..).zip(chain).for_each(|(index, link)| {
            describe(card, SEND, index, link);
        });
        offer(card, SEND, 1);
        world.check();
        world.notify(ATTACKER);
        assert!(world.attacker().has_failed, "{chain:x?}");
        assert_eq!(world.came_to_other(), None);
        world.notify(ATTACKER);
        world.check();
    }
}

#[test]
fn a_card_that_cannot_receive_is_stopped_and_the_others_get_the_frame() {
    let wild = WILD.map(|address| [(address, 2000, WRITE, 0), (0, 0, 0, 0)]);
    for chain in WRONG.into_iter().chain(wild) {
        let mut world = World::new();
        let card = world.attacker();
        (0..).zip(chain).for_each(|(index, link)| {
            describe(card, RECEIVE, index, link);
        });
        offer(card, RECEIVE, 1);
        world.check();
        assert!(world.attacker().has_failed, "{chain:x?}");
        world.check();
    }
}

#[test]
fn queues_that_lead_nowhere_or_run_ahead_stop_their_card_only() {
    for queue in [RECEIVE, SEND] {
        for ahead in [SIZE + 1, 0x8000, 0xffff] {
            let mut world = World::new();
            offer(world.attacker(), queue, ahead);
            world.check();
            world.notify(ATTACKER);
            assert!(world.attacker().has_failed, "{ahead}");
            world.check();
        }
        let nowhere = MEMORY as u64;
        let there = layout(queue);
        for (descriptors, available, used) in [
            (nowhere, there.available(), there.used()),
            (there.descriptors(), nowhere, there.used()),
            (there.descriptors(), there.available(), nowhere),
            (1 << 62, 1 << 62, 1 << 62),
        ] {
            let mut world = World::new();
            let card = world.attacker();
            describe(
                card,
                queue,
                0,
                (DATA, 60, WRITE * (queue == RECEIVE) as u16, 0),
            );
            offer(card, queue, 1);
            let layout = Layout::new(SIZE, descriptors, available, used).unwrap();
            card.queues[queue] = Some(DeviceQueue::new(layout));
            world.check();
            world.notify(ATTACKER);
            assert!(world.attacker().has_failed);
            world.check();
        }
    }
}

#[test]
fn what_is_no_frame_goes_nowhere_and_stops_nothing() {
    for length in [0, 1, 25, (NET_HEADER + LONGEST) as u32 + 1, u32::MAX] {
        let mut world = World::new();
        let card = world.attacker();
        // Together they are longer than 32 bits can say.
        describe(card, SEND, 0, (DATA, length, NEXT, 1));
        describe(card, SEND, 1, (DATA, u32::MAX * (length > 25) as u32, 0, 0));
        offer(card, SEND, 3);
        world.notify(ATTACKER);
        assert!(!world.attacker().has_failed, "{length}");
        let used = layout(SEND).used() + 2;
        assert_eq!(world.attacker().memory.load(used), Ok(3));
        assert_eq!(world.came_to_other(), None);
        world.check();
    }
}

#[test]
fn a_flood_is_cut_into_turns() {
    let mut world = World::new();
    let card = world.attacker();
    let sent = frame(EVERYBODY, own(ATTACKER), 60);
    card.memory.write(DATA + NET_HEADER as u64, &sent).unwrap();
    describe(card, SEND, 0, (DATA, (NET_HEADER + 60) as u32, 0, 0));
    offer(card, SEND, SIZE);
    world.notify(ATTACKER);
    let card = world.attacker();
    assert!(card.has_rung.get());
    let used = layout(SEND).used() + 2;
    assert_eq!(card.memory.load(used), Ok(TURN as u16));
    // Who has no room misses frames, and only those.
    let mut count = 0;
    while let Some(came) = world.came_to_other() {
        assert_eq!(came, sent);
        count += 1;
    }
    assert!((1..TURN).contains(&count));
    world.check();
}

#[test]
fn a_buffer_too_small_for_a_frame_comes_back_empty() {
    let mut world = World::new();
    let card = world.attacker();
    describe(card, RECEIVE, 0, (DATA, (NET_HEADER + 59) as u32, WRITE, 0));
    offer(card, RECEIVE, 1);
    world.send(&frame(EVERYBODY, own(ONE), 60));
    let mut entry = [0xee; 8];
    let used = layout(RECEIVE).used() + 4;
    world.attacker().memory.read(used, &mut entry).unwrap();
    assert_eq!(entry, [0; 8]);
    assert!(!world.attacker().has_failed && world.came_to_other().is_some());
}

#[test]
fn frames_with_the_address_of_another_port_go_nowhere() {
    let mut world = World::new();
    for source in [own(OTHER), own(ATTACKER), EVERYBODY] {
        world.send(&frame(EVERYBODY, source, 60));
        assert_eq!(world.came_to_other(), None, "{source}");
    }
    world.check();
}

#[test]
fn isolated_ports_exchange_nothing_whatever_they_write() {
    let isolated = Options {
        is_isolated: true,
        ..Options::default()
    };
    let mut world = World::with(&[Options::default(), isolated, isolated]);
    for target in [own(OTHER), EVERYBODY, Mac([2; 6])] {
        world.send(&frame(target, own(ONE), 60));
        assert_eq!(world.came_to_other(), None, "{target}");
    }
    // The way from one that is not isolated is open.
    let sent = frame(EVERYBODY, own(ATTACKER), 60);
    let card = world.attacker();
    card.memory.write(DATA + NET_HEADER as u64, &sent).unwrap();
    describe(card, SEND, 0, (DATA, (NET_HEADER + 60) as u32, 0, 0));
    offer(card, SEND, 1);
    world.notify(ATTACKER);
    assert_eq!(world.came_to_other(), Some(sent));
}
