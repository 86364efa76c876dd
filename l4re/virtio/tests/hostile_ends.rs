//! The other end lies: every lie is found, nothing is read twice, nothing outside is touched.

use std::cell::RefCell;
use std::collections::BTreeMap;

use l4_memory::Access;
use l4_virtio::fixture::Ram;
use l4_virtio::{Buffer, DeviceQueue, DriverQueue, Layout, MAX_BUFFERS, Memory, QueueError};
use proptest::collection::vec;
use proptest::prelude::*;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

fn layout(size: u16) -> Layout {
    Layout::contiguous(size, 0).unwrap()
}

fn descriptor(memory: &Ram, index: u16, address: u64, length: u32, flags: u16, next: u16) {
    let at = u64::from(index) * 16;
    memory.write(at, &address.to_le_bytes()).unwrap();
    memory.write(at + 8, &length.to_le_bytes()).unwrap();
    memory.store(at + 12, flags).unwrap();
    memory.store(at + 14, next).unwrap();
}

/// Offers the chain that begins with `head`, and takes it.
fn take(memory: &Ram, layout: Layout, head: u16) -> Result<usize, QueueError> {
    memory.store(layout.available() + 4, head).unwrap();
    memory.store(layout.available() + 2, 1).unwrap();
    let mut queue = DeviceQueue::new(layout);
    let chain = queue.take(memory)?.expect("one is there");
    Ok(chain.readable().len() + chain.writable().len())
}

#[test]
fn loops_are_found() {
    let (memory, layout) = (Ram::new(0x1000), layout(8));
    for length in 1..=8 {
        for index in 0..length {
            descriptor(&memory, index, 0, 1, NEXT, (index + 1) % length);
        }
        assert_eq!(take(&memory, layout, 0), Err(QueueError::Chain));
    }
    // All descriptors in one chain are none.
    descriptor(&memory, 7, 0, 1, 0, 0);
    assert_eq!(take(&memory, layout, 0), Ok(8));
}

#[test]
fn chains_have_a_longest_length() {
    let (memory, layout) = (Ram::new(0x4000), layout(256));
    for index in 0..256 {
        descriptor(&memory, index, 0, 1, NEXT, index + 1);
    }
    let longest = MAX_BUFFERS as u16;
    descriptor(&memory, longest - 1, 0, 1, 0, 0);
    assert_eq!(take(&memory, layout, 0), Ok(MAX_BUFFERS));
    descriptor(&memory, longest - 1, 0, 1, NEXT, longest);
    descriptor(&memory, longest, 0, 1, 0, 0);
    assert_eq!(take(&memory, layout, 0), Err(QueueError::Chain));
}

#[test]
fn descriptors_that_are_not_there_are_refused() {
    let (memory, layout) = (Ram::new(0x1000), layout(8));
    assert_eq!(take(&memory, layout, 8), Err(QueueError::Descriptor));
    assert_eq!(take(&memory, layout, 0xffff), Err(QueueError::Descriptor));
    descriptor(&memory, 0, 0, 1, NEXT, 8);
    assert_eq!(take(&memory, layout, 0), Err(QueueError::Descriptor));
    descriptor(&memory, 0, 0, 16, INDIRECT, 0);
    assert_eq!(take(&memory, layout, 0), Err(QueueError::Indirect));
    descriptor(&memory, 0, 0, 1, NEXT | WRITE, 1);
    descriptor(&memory, 1, 0, 1, 0, 0);
    assert_eq!(take(&memory, layout, 0), Err(QueueError::Order));
}

#[test]
fn an_index_that_ran_ahead_is_found() {
    let (memory, layout) = (Ram::new(0x1000), layout(8));
    let index = layout.available() + 2;
    for ahead in [9, 0x8000, 0xffff] {
        memory.store(index, ahead).unwrap();
        let taken = DeviceQueue::new(layout).take(&memory);
        assert_eq!(taken.unwrap_err(), QueueError::Index);
    }
    // As many as there are descriptors, and not one more before some are completed.
    let mut queue = DeviceQueue::new(layout);
    memory.store(index, 8).unwrap();
    let mut chains: Vec<_> = (0..8)
        .map(|_| queue.take(&memory).unwrap().unwrap())
        .collect();
    assert!(queue.take(&memory).unwrap().is_none());
    memory.store(index, 9).unwrap();
    assert_eq!(queue.take(&memory).unwrap_err(), QueueError::Index);
    queue.complete(&memory, chains.pop().unwrap(), 0).unwrap();
    assert!(queue.take(&memory).unwrap().is_some());
}

#[test]
fn wild_addresses_fail_when_they_are_used() {
    let (memory, layout) = (Ram::new(0x1000), layout(8));
    for (address, length) in [
        (0xfff, 2),
        (u64::MAX, 1),
        (u64::MAX - 1, 0xffff_ffff),
        (1 << 40, 1),
    ] {
        descriptor(&memory, 0, address, length, NEXT, 1);
        descriptor(&memory, 1, address, length, WRITE, 0);
        memory.store(layout.available() + 2, 1).unwrap();
        let chain = DeviceQueue::new(layout).take(&memory).unwrap().unwrap();
        let mut bytes = [0; 2];
        for offset in [0, 1, u64::MAX] {
            let read = chain.read(&memory, offset, &mut bytes);
            let write = chain.write(&memory, offset, &bytes);
            let nothing_left = offset >= u64::from(length);
            assert_eq!(read.is_ok(), nothing_left, "{address:#x} {offset}");
            assert_eq!(write.is_ok(), nothing_left, "{address:#x} {offset}");
        }
    }
}

#[test]
fn a_queue_outside_of_the_memory_fails() {
    let memory = Ram::new(0x1000);
    for start in [0x1000, 0xff0, 1 << 50] {
        let layout = Layout::contiguous(8, start).unwrap();
        let mut queue = DeviceQueue::new(layout);
        assert_eq!(queue.take(&memory).unwrap_err(), QueueError::Inaccessible);
        assert!(queue.wants_notification(&memory).is_err());
        assert!(queue.set_notifications(&memory, true).is_err());
        assert!(DriverQueue::<8>::new(layout, &memory).is_err());
    }
    let layout = layout(16);
    assert_eq!(
        DriverQueue::<8>::new(layout, &memory).unwrap_err(),
        QueueError::Layout
    );
}

#[test]
fn a_device_can_only_complete_what_it_has() {
    let (memory, layout) = (Ram::new(0x1000), layout(8));
    let buffer = Buffer {
        address: 0x800,
        length: 16,
    };
    let complete = |count: u16, head: u32, written: u32| {
        let entry = layout.used() + 4 + u64::from(count % 8) * 8;
        memory.write(entry, &head.to_le_bytes()).unwrap();
        memory.write(entry + 4, &written.to_le_bytes()).unwrap();
        memory.store(layout.used() + 2, count + 1).unwrap();
    };
    let fresh = || {
        let mut driver = DriverQueue::<8>::new(layout, &memory).unwrap();
        let token = driver.offer(&memory, &[buffer], &[buffer, buffer]);
        (driver, token.unwrap().unwrap())
    };
    let (mut driver, token) = fresh();
    for (head, written) in [
        (u32::from(token) + 1, 0),
        (8, 0),
        (u32::MAX, 0),
        (u32::from(token), 33),
    ] {
        complete(0, head, written);
        assert_eq!(driver.take(&memory), Err(QueueError::Completion));
    }
    complete(0, token.into(), 32);
    assert_eq!(driver.take(&memory).unwrap().unwrap().written, 32);
    // Again, without a new request.
    complete(1, token.into(), 32);
    assert_eq!(driver.take(&memory), Err(QueueError::Index));
    let (mut driver, token) = fresh();
    driver.offer(&memory, &[buffer], &[]).unwrap().unwrap();
    complete(0, token.into(), 0);
    driver.take(&memory).unwrap().unwrap();
    complete(1, token.into(), 0);
    assert_eq!(driver.take(&memory), Err(QueueError::Completion));
}

/// Memory that somebody changes between any two accesses, and that notes what was read.
struct Racing<'a> {
    memory: &'a Ram,
    noise: RefCell<std::vec::IntoIter<(u16, u8)>>,
    reads: RefCell<BTreeMap<u64, u32>>,
}

impl Racing<'_> {
    fn change(&self) {
        if let Some((at, byte)) = self.noise.borrow_mut().next() {
            let _ = self.memory.write(u64::from(at) % 0x1000, &[byte]);
        }
    }

    fn note(&self, address: u64, length: usize) {
        let mut reads = self.reads.borrow_mut();
        (0..length as u64).for_each(|at| *reads.entry(address.wrapping_add(at)).or_default() += 1);
    }
}

impl Memory for Racing<'_> {
    fn read(&self, address: u64, target: &mut [u8]) -> Access {
        self.change();
        self.note(address, target.len());
        self.memory.read(address, target)
    }

    fn write(&self, address: u64, source: &[u8]) -> Access {
        self.change();
        self.memory.write(address, source)
    }

    fn load(&self, address: u64) -> Access<u16> {
        self.change();
        self.note(address, 2);
        self.memory.load(address)
    }

    fn store(&self, address: u64, word: u16) -> Access {
        self.change();
        self.memory.store(address, word)
    }
}

proptest! {
    #[test]
    fn a_device_survives_any_driver(
        bytes in vec(prop_oneof![3 => 0..10_u8, 1 => any::<u8>()], 0x400),
        noise in vec((any::<u16>(), any::<u8>()), 0..400),
        order in 0..8_u32,
    ) {
        let memory = Ram::with(bytes);
        let layout = layout(1 << order);
        let racing = Racing {
            memory: &memory,
            noise: RefCell::new(noise.into_iter()),
            reads: RefCell::default(),
        };
        let mut queue = DeviceQueue::new(layout);
        let mut text = [0; 64];
        for _ in 0..64 {
            racing.reads.borrow_mut().clear();
            let Ok(Some(chain)) = queue.take(&racing) else { continue };
            // A descriptor can be in the chain twice only if it was changed meanwhile into a loop,
            // or the table lies over a ring; then it is cut.
            prop_assert!(chain.readable().len() + chain.writable().len() <= layout.size().into());
            let once = racing.reads.borrow();
            let index = once.get(&(layout.available() + 2));
            prop_assert_eq!(index, Some(&1));
            drop(once);
            let _ = chain.read(&racing, 0, &mut text);
            let _ = chain.write(&racing, 0, &text);
            prop_assert!(queue.complete(&racing, chain, 1).is_ok());
        }
    }

    #[test]
    fn a_driver_survives_any_device(
        noise in vec((any::<u16>(), 0..10_u8), 0..400),
        counts in vec((0..3_usize, 0..3_usize), 0..64),
    ) {
        let memory = Ram::new(0x1000);
        let layout = layout(8);
        let mut queue = DriverQueue::<8>::new(layout, &memory).unwrap();
        let racing = Racing {
            memory: &memory,
            noise: RefCell::new(noise.into_iter()),
            reads: RefCell::default(),
        };
        let buffers = [Buffer { address: 0x800, length: 8 }; 3];
        let mut under_way = BTreeMap::new();
        for (readable, writable) in counts {
            let token = queue.offer(&racing, &buffers[..readable], &buffers[..writable]);
            if let Some(token) = token.unwrap() {
                prop_assert!(under_way.insert(token, readable + writable).is_none());
            }
            if let Ok(Some(completion)) = queue.take(&racing) {
                prop_assert!(under_way.remove(&completion.token).is_some());
                prop_assert!(completion.written <= 24);
            }
            let used: usize = under_way.values().sum();
            prop_assert_eq!(usize::from(queue.free()) + used, 8);
        }
    }
}
