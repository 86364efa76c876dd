//! Requests to the block server's disk, in memory that somebody else wrote.

use l4_virtio::fixture::Ram;
use l4_virtio::{Buffer, DeviceQueue, DriverQueue, Layout, Memory};
use virtio_block::disk::{Disk, SECTOR};
use virtio_block::request::{handle, kind};

const SIZE: u16 = 16;
const MEMORY: usize = 0x800;
const STEP_BYTES: usize = 4;
const DISK: usize = 16 << 10;
/// Half of the disk can be written.
const WRITES: u64 = 8 << 10;

fn content(disk: &Disk<()>) -> Vec<u8> {
    let mut content = vec![0; DISK];
    let sectors = content.chunks_exact_mut(SECTOR as usize);
    (0..).zip(sectors).for_each(|(number, sector)| {
        disk.read(number * SECTOR, sector);
    });
    content
}

/// The first bytes are the memory, the others steps of the client, between which it changes.
pub fn block(bytes: &[u8]) {
    let (start, steps) = bytes.split_at(bytes.len().min(MEMORY));
    let mut start = start.to_vec();
    start.resize(MEMORY, 0);
    let memory = Ram::with(start);
    let (Ok(layout), Ok(mut disk)) = (
        Layout::contiguous(SIZE, 0),
        Disk::new((), DISK as u64, WRITES),
    ) else {
        unreachable!("they fit");
    };
    let mut queue = DeviceQueue::new(layout);
    for step in steps.chunks_exact(STEP_BYTES) {
        let [action, one, two, three] = [step[0], step[1], step[2], step[3]];
        if action % 2 == 0 {
            let place = u64::from(u16::from_le_bytes([one, two])) % MEMORY as u64;
            assert_eq!(memory.write(place, &[three]), Ok(()));
            continue;
        }
        let Ok(Some(chain)) = queue.take(&memory) else {
            queue = DeviceQueue::new(layout);
            continue;
        };
        let before = content(&disk);
        let mut header = [0; 16];
        let _ = chain.read(&memory, 0, &mut header);
        let header = u128::from_le_bytes(header);
        let written = handle(&mut disk, &chain, &memory).unwrap_or(0);
        assert!(u64::from(written) <= chain.writable_length());
        let _ = queue.complete(&memory, chain.clone(), written);
        // Only what was to be written has changed.
        let range = match header as u32 == kind::OUT {
            true => {
                let length = chain.readable_length().saturating_sub(16);
                let range = disk.range((header >> 64) as u64, length).unwrap_or(0..0);
                range.start as usize..range.end as usize
            }
            false => 0..0,
        };
        let after = content(&disk);
        assert_eq!(before[..range.start], after[..range.start]);
        assert_eq!(before[range.end..], after[range.end..]);
    }
}

/// A client that writes a sector and reads it, for the fuzzer to begin with.
pub fn example_block() -> Vec<u8> {
    const HEADERS: [u64; 2] = [0x300, 0x310];
    const STATUS: u64 = 0x320;
    const DATA: u64 = 0x400;
    let memory = Ram::new(MEMORY);
    let buffer = |address, length| Buffer { address, length };
    let data = buffer(DATA, SECTOR as u32);
    let (write, read) = (buffer(HEADERS[0], 16), buffer(HEADERS[1], 16));
    let status = buffer(STATUS, 1);
    let offered = Layout::contiguous(SIZE, 0).and_then(|layout| {
        let mut driver = DriverQueue::<{ SIZE as usize }>::new(layout, &memory)?;
        for (at, kind) in HEADERS.into_iter().zip([kind::OUT, kind::IN]) {
            memory.write(at, &kind.to_le_bytes())?;
            memory.write(at + 8, &9_u64.to_le_bytes())?;
        }
        memory.write(DATA, &[7; SECTOR as usize])?;
        driver.offer(&memory, &[write, data], &[status])?;
        Ok(driver.offer(&memory, &[read], &[data, status])?)
    });
    assert!(offered.is_ok());
    let mut bytes = vec![0; MEMORY];
    assert_eq!(memory.read(0, &mut bytes), Ok(()));
    let steps: [[u8; STEP_BYTES]; 4] = [[1, 0, 0, 0], [0, 0, 5, 8], [1, 0, 0, 0], [1, 0, 0, 0]];
    bytes.extend(steps.as_flattened());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_writes_and_reads() {
        let bytes = example_block();
        let memory = Ram::with(bytes[..MEMORY].to_vec());
        let mut queue = DeviceQueue::new(Layout::contiguous(SIZE, 0).unwrap());
        let mut disk = Disk::new((), DISK as u64, WRITES).unwrap();
        for written in [1, SECTOR as u32 + 1] {
            let chain = queue.take(&memory).unwrap().unwrap();
            assert_eq!(handle(&mut disk, &chain, &memory), Ok(written));
        }
        assert_eq!(content(&disk)[9 * SECTOR as usize], 7);
        block(&bytes);
    }
}
