//! Clients of the switch: two that do what somebody else wrote, isolated from each other, and one that must
//! not notice.

use crate::steps::{self, Step};
use l4_virtio::{DeviceQueue, Layout, Memory};
use virtio_switch::fixture::{Client, MEMORY, PlainCard, PlainCards, QUEUES, layout, own};
use virtio_switch::frame::{HEADER, LONGEST, Mac, addresses};
use virtio_switch::options::Options;
use virtio_switch::switching::{NET_HEADER, Port, RECEIVE, SEND, Switch};

const HOSTILE: usize = 2;
const WITNESS: usize = HOSTILE;
/// What a client can do.
const ACTIONS: u8 = 7;

const EVERYBODY: Mac = Mac([0xff; 6]);

/// The clients do these steps.
pub fn switch(bytes: &[u8]) {
    let isolated = Options {
        is_isolated: true,
        ..Options::default()
    };
    let mut switch = Switch::new(None);
    let ports = [isolated, isolated, Options::default()];
    let mut cards = PlainCards::new(&mut switch, &ports);
    let Ok(mut witness) = Client::new(cards.at(WITNESS)) else {
        unreachable!("it is honest");
    };
    for Step {
        kind,
        size,
        place,
        value,
    } in steps::of(bytes)
    {
        let (action, who) = (kind % ACTIONS, usize::from(kind / ACTIONS));
        let number = who % HOSTILE;
        let at = u64::from(place) % MEMORY as u64;
        match action {
            0 | 1 => {
                let bytes = &value.to_le_bytes()[..size.into()];
                let _ = cards.at(number).memory.write(at, bytes);
            }
            2 | 3 => {
                let before = content(cards.at(1 - number));
                switch.notified(&mut cards, number as u64);
                assert_eq!(before, content(cards.at(1 - number)), "they are isolated");
                assert!(!cards.at(1 - number).has_rung.get());
                cards.at(number).has_rung.set(false);
            }
            4 => {
                let length = HEADER + usize::from(place) % (LONGEST - HEADER + 1);
                let mut frame = vec![size; length];
                let targets = [own(0), own(1), EVERYBODY, Mac([2, 0, 0, 0, 0, size])];
                frame[..6].copy_from_slice(&targets[who % targets.len()].0);
                frame[6..12].copy_from_slice(&own(WITNESS).0);
                let card = cards.at(WITNESS);
                assert_eq!(witness.send(card, &frame), Ok(()));
                switch.notified(&mut cards, WITNESS as u64);
            }
            5 => {
                switch.close(number);
                let port = Port {
                    number,
                    options: isolated,
                };
                switch.open(port, own(number));
                *cards.at(number) = PlainCard::default();
            }
            _ => {
                let part = |shift: u32, align: u32| (value >> shift & 0xffff) << align;
                let layout = Layout::new(place, part(0, 4), part(16, 1), part(32, 2));
                let queue = layout.ok().map(DeviceQueue::new);
                cards.at(number).queues[usize::from(size % 2)] = queue;
            }
        }
        assert!(!cards.at(WITNESS).has_failed);
        loop {
            let came = witness.received(cards.at(WITNESS));
            assert!(came.is_ok());
            let Ok(Some(frame)) = came else { break };
            let both = addresses(&frame);
            // Nobody has its address.
            assert!(both.is_some_and(|(_, source)| source != own(WITNESS) && !source.is_group()));
        }
    }
}

fn content(card: &PlainCard) -> Vec<u8> {
    let mut bytes = vec![0; MEMORY];
    assert_eq!(card.memory.read(0, &mut bytes), Ok(()));
    bytes
}

/// A client that sends a frame to all, while others wait for one, for the fuzzer to begin with.
pub fn example_switch() -> Vec<u8> {
    const DATA: u64 = 0x2000;
    const FRAME: u64 = DATA + NET_HEADER as u64;
    const ROOM: u64 = 0x3000;
    const WRITE: u64 = 2 << 32;
    let Mac([first, second, rest @ ..]) = own(0);
    let beginning = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, first, second];
    let source = u32::from_le_bytes(rest);
    let memory = |who, place: u64, size, value| (ACTIONS * who, size, place as u16, value);
    let notify = |who| (2 + ACTIONS * who, 0, 0, 0);
    let index = |queue| layout(queue).available() + 2;
    steps::bytes(&[
        memory(1, QUEUES[RECEIVE], 8, ROOM),
        memory(1, QUEUES[RECEIVE] + 8, 8, 1600 | WRITE),
        memory(1, index(RECEIVE), 2, 1),
        memory(0, FRAME, 8, u64::from_le_bytes(beginning)),
        memory(0, FRAME + 8, 8, source.into()),
        memory(0, QUEUES[SEND], 8, DATA),
        memory(0, QUEUES[SEND] + 8, 8, NET_HEADER as u64 + 60),
        memory(0, index(SEND), 2, 1),
        notify(0),
        // The witness sends to everybody.
        (4 + ACTIONS * 2, 0, 46, 0),
        notify(1),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_clients_do_panics_or_reaches_whom_it_should_not() {
        switch(&example_switch());
        (0..20).for_each(|seed| switch(&steps::random(seed, 2000)));
    }
}
