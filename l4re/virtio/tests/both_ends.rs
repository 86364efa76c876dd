//! A driver and a device on the same queue, in any order of steps.

use std::collections::{BTreeMap, VecDeque};

use l4_virtio::fixture::Ram;
use l4_virtio::{Buffer, Chain, DeviceQueue, DriverQueue, Layout, Memory};
use proptest::collection::vec;
use proptest::prelude::*;

const SIZE: u16 = 8;
const QUEUE: u64 = 0x1000;
const DATA: u64 = 0x2000;
const PIECE: u64 = 0x40;

fn queues(memory: &Ram) -> (DriverQueue<16>, DeviceQueue) {
    let layout = Layout::contiguous(SIZE, QUEUE).unwrap();
    let driver = DriverQueue::new(layout, memory).unwrap();
    (driver, DeviceQueue::new(layout))
}

fn buffer(number: u64, length: u32) -> Buffer {
    Buffer {
        address: DATA + number * PIECE,
        length,
    }
}

#[test]
fn a_request_arrives_and_its_answer_comes_back() {
    let memory = Ram::new(0x4000);
    let (mut driver, mut device) = queues(&memory);
    assert!(device.take(&memory).unwrap().is_none());
    memory.write(DATA, b"question").unwrap();
    let (one, two) = (
        buffer(0, 5),
        Buffer {
            address: DATA + 5,
            length: 3,
        },
    );
    let token = driver.offer(&memory, &[one, two], &[buffer(1, 4), buffer(2, 8)]);
    let token = token.unwrap().unwrap();

    let chain = device.take(&memory).unwrap().unwrap();
    assert_eq!(chain.readable(), [one, two]);
    assert_eq!((chain.readable_length(), chain.writable_length()), (8, 12));
    let mut text = [0; 16];
    assert_eq!(chain.read(&memory, 0, &mut text), Ok(8));
    assert_eq!(&text[..8], b"question");
    assert_eq!(chain.read(&memory, 4, &mut text[..3]), Ok(3));
    assert_eq!(&text[..3], b"tio");
    assert_eq!(chain.read(&memory, 8, &mut text), Ok(0));
    assert_eq!(chain.write(&memory, 0, b"ans"), Ok(3));
    assert_eq!(chain.write(&memory, 3, b"wer"), Ok(3));
    assert_eq!(chain.write(&memory, 11, b"too long"), Ok(1));
    assert_eq!(driver.take(&memory), Ok(None));
    device.complete(&memory, chain, 6).unwrap();

    let completion = driver.take(&memory).unwrap().unwrap();
    assert_eq!((completion.token, completion.written), (token, 6));
    let mut answer = [0; 6];
    memory.read(DATA + PIECE, &mut answer[..4]).unwrap();
    memory.read(DATA + 2 * PIECE, &mut answer[4..]).unwrap();
    assert_eq!(&answer, b"answer");
    assert_eq!(driver.take(&memory), Ok(None));
    assert_eq!(driver.free(), SIZE);
}

#[test]
fn either_end_can_do_without_notifications() {
    let memory = Ram::new(0x4000);
    let (driver, device) = queues(&memory);
    assert_eq!(driver.wants_notification(&memory), Ok(true));
    assert_eq!(device.wants_notification(&memory), Ok(true));
    device.set_notifications(&memory, false).unwrap();
    assert_eq!(driver.wants_notification(&memory), Ok(false));
    device.set_notifications(&memory, true).unwrap();
    assert_eq!(driver.wants_notification(&memory), Ok(true));
    memory.store(driver.layout().available(), 1).unwrap();
    assert_eq!(device.wants_notification(&memory), Ok(false));
}

#[test]
fn a_request_that_does_not_fit_is_not_begun() {
    let memory = Ram::new(0x4000);
    let (mut driver, mut device) = queues(&memory);
    let many: Vec<Buffer> = (0..6).map(|number| buffer(number, 1)).collect();
    assert_eq!(driver.offer(&memory, &[], &[]), Ok(None));
    assert!(driver.offer(&memory, &many, &[]).unwrap().is_some());
    assert_eq!(driver.offer(&memory, &many, &[]), Ok(None));
    assert_eq!(driver.free(), 2);
    assert!(device.take(&memory).unwrap().is_some());
    assert!(device.take(&memory).unwrap().is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Offer {
        readable: usize,
        writable: usize,
    },
    Take,
    /// Completes one of those that were taken.
    Complete {
        which: usize,
        written: u32,
    },
    Collect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_usize, 0..4_usize)
            .prop_map(|(readable, writable)| Step::Offer { readable, writable }),
        Just(Step::Take),
        (any::<usize>(), 0..32_u32).prop_map(|(which, written)| Step::Complete { which, written }),
        Just(Step::Collect),
    ]
}

proptest! {
    #[test]
    fn requests_come_in_order_and_are_completed_in_any(steps in vec(step(), 1..400)) {
        let memory = Ram::new(0x4000);
        let (mut driver, mut device) = queues(&memory);
        let mut offered: VecDeque<(u16, Vec<Buffer>, Vec<Buffer>)> = VecDeque::new();
        let mut taken: Vec<Chain> = vec![];
        let mut completed: VecDeque<(u16, u32)> = VecDeque::new();
        let mut in_use: BTreeMap<u16, u16> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Offer { readable, writable } => {
                    let all: Vec<Buffer> = (0..readable + writable)
                        .map(|number| buffer(number as u64, 16))
                        .collect();
                    let (read, write) = all.split_at(readable);
                    let fits = !all.is_empty() && all.len() <= driver.free().into();
                    let token = driver.offer(&memory, read, write).unwrap();
                    prop_assert_eq!(token.is_some(), fits);
                    if let Some(token) = token {
                        prop_assert!(in_use.insert(token, all.len() as u16).is_none());
                        offered.push_back((token, read.to_vec(), write.to_vec()));
                    }
                }
                Step::Take => {
                    let chain = device.take(&memory).unwrap();
                    let expected = offered.pop_front();
                    prop_assert_eq!(chain.is_some(), expected.is_some());
                    if let (Some(chain), Some((token, read, write))) = (chain, expected) {
                        prop_assert_eq!(chain.head(), token);
                        prop_assert_eq!(chain.readable(), read);
                        prop_assert_eq!(chain.writable(), write);
                        taken.push(chain);
                    }
                }
                Step::Complete { which, written } if !taken.is_empty() => {
                    let chain = taken.swap_remove(which % taken.len());
                    let written = u64::from(written).min(chain.writable_length()) as u32;
                    completed.push_back((chain.head(), written));
                    device.complete(&memory, chain, written).unwrap();
                }
                Step::Complete { .. } => {}
                Step::Collect => {
                    let completion = driver.take(&memory).unwrap();
                    let pair = completion.map(|completion| (completion.token, completion.written));
                    prop_assert_eq!(pair, completed.pop_front());
                    if let Some((token, _)) = pair {
                        in_use.remove(&token);
                    }
                }
            }
            prop_assert_eq!(driver.free() + in_use.values().sum::<u16>(), SIZE);
        }
    }
}

#[test]
fn the_indices_wrap_around() {
    let memory = Ram::new(0x4000);
    let (mut driver, mut device) = queues(&memory);
    for round in 0..70_000_u64 {
        driver
            .offer(&memory, &[], &[buffer(round % 8, 4)])
            .unwrap()
            .unwrap();
        let chain = device.take(&memory).unwrap().unwrap();
        device.complete(&memory, chain, 4).unwrap();
        assert_eq!(driver.take(&memory).unwrap().unwrap().written, 4);
    }
}
