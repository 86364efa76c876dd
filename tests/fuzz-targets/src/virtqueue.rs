//! Both ends of a virtqueue over memory that somebody else wrote.

use l4_virtio::fixture::Ram;
use l4_virtio::{Buffer, Chain, DeviceQueue, DriverQueue, Layout, Memory};

const SIZE: u16 = 16;
const MEMORY: usize = 0x400;
const STEP_BYTES: usize = 4;

/// The first bytes are the memory, the others steps of the two ends, between which it changes.
pub fn virtqueue(bytes: &[u8]) {
    let (start, steps) = bytes.split_at(bytes.len().min(MEMORY));
    let mut start = start.to_vec();
    start.resize(MEMORY, 0);
    let memory = Ram::with(start);
    let Ok(layout) = Layout::contiguous(SIZE, 0) else {
        unreachable!("it fits");
    };
    let mut device = DeviceQueue::new(layout);
    let mut taken: Vec<Chain> = vec![];
    let mut driver = None;
    let mut under_way = 0;
    for step in steps.chunks_exact(STEP_BYTES) {
        let [kind, one, two, three] = [step[0], step[1], step[2], step[3]];
        let place = u64::from(u16::from_le_bytes([one, two])) % MEMORY as u64;
        match kind % 6 {
            0 => assert_eq!(memory.write(place, &[three]), Ok(())),
            1 => {
                let Ok(Some(chain)) = device.take(&memory) else {
                    continue;
                };
                let buffers = chain.readable().len() + chain.writable().len();
                assert!(buffers <= SIZE.into() && taken.len() < SIZE.into());
                let mut text = [three; 32];
                let _ = chain.read(&memory, one.into(), &mut text);
                let _ = chain.write(&memory, two.into(), &text);
                taken.push(chain);
            }
            2 if !taken.is_empty() => {
                let chain = taken.swap_remove(usize::from(one) % taken.len());
                assert_eq!(device.complete(&memory, chain, two.into()), Ok(()));
            }
            3 => {
                driver = DriverQueue::<{ SIZE as usize }>::new(layout, &memory).ok();
                under_way = 0;
            }
            4 => {
                let buffers = [Buffer {
                    address: place,
                    length: three.into(),
                }; 4];
                let (readable, writable) = (usize::from(one) % 5, usize::from(two) % 5);
                let Some(driver) = &mut driver else { continue };
                let offered = driver.offer(&memory, &buffers[..readable], &buffers[..writable]);
                under_way += usize::from(matches!(offered, Ok(Some(_))));
            }
            5 => {
                let Some(driver) = &mut driver else { continue };
                if let Ok(Some(completion)) = driver.take(&memory) {
                    assert!(under_way > 0 && completion.written <= 4 * 255);
                    under_way -= 1;
                }
                assert!(usize::from(driver.free()) + under_way <= SIZE.into());
            }
            _ => {}
        }
    }
}

/// A queue with two chains, and steps of a device and of a driver, for the fuzzer to begin with.
pub fn example_virtqueue() -> Vec<u8> {
    let memory = Ram::new(MEMORY);
    let queue = Layout::contiguous(SIZE, 0).and_then(|layout| {
        let mut driver = DriverQueue::<{ SIZE as usize }>::new(layout, &memory)?;
        let buffer = Buffer {
            address: 0x300,
            length: 16,
        };
        driver.offer(&memory, &[buffer], &[buffer, buffer])?;
        driver
            .offer(&memory, &[buffer, buffer], &[buffer])
            .map_err(Into::into)
    });
    assert!(queue.is_ok());
    let mut bytes = vec![0; MEMORY];
    assert_eq!(memory.read(0, &mut bytes), Ok(()));
    let steps: [[u8; STEP_BYTES]; 8] = [
        [1, 0, 0, 7],
        [1, 3, 4, 7],
        [2, 1, 16, 0],
        [2, 0, 8, 0],
        [3, 0, 0, 0],
        [4, 1, 2, 16],
        [1, 0, 0, 0],
        [5, 0, 0, 0],
    ];
    bytes.extend(steps.as_flattened());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_two_requests() {
        let bytes = example_virtqueue();
        let memory = Ram::with(bytes[..MEMORY].to_vec());
        let mut device = DeviceQueue::new(Layout::contiguous(SIZE, 0).unwrap());
        assert!(device.take(&memory).unwrap().is_some());
        assert!(device.take(&memory).unwrap().is_some());
        assert!(device.take(&memory).unwrap().is_none());
        virtqueue(&bytes);
    }
}
