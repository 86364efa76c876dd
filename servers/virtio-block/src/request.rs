//! The requests of a block device's queue (virtio 1.2 §5.2.6).
//!
//! A request begins with 16 readable bytes, type and first sector, and ends with a writable byte for
//! its status. The data is between them. How the driver cuts all this into buffers does not matter.

use core::ops::Range;

use l4_virtio::{Chain, Inaccessible, MAX_BUFFERS, Memory};

use crate::disk::{BLOCK, Content, Disk, Failed, in_blocks};

/// Types of requests.
pub mod kind {
    /// Read sectors.
    pub const IN: u32 = 0;
    /// Write sectors.
    pub const OUT: u32 = 1;
    /// Make sure that all that was written stays.
    pub const FLUSH: u32 = 4;
    /// Tell the disk's name, 20 bytes.
    pub const GET_ID: u32 = 8;
}

/// What the status byte says.
pub mod outcome {
    /// It is done.
    pub const OK: u8 = 0;
    /// It failed.
    pub const IO_ERROR: u8 = 1;
    /// The device does not know such requests.
    pub const UNSUPPORTED: u8 = 2;
}

/// Feature bits (virtio 1.2 §5.2.3).
pub mod feature {
    /// The configuration says how long a buffer of data can be.
    pub const SEGMENT_SIZE: u64 = 1 << 1;
    /// The configuration says how many buffers of data a request can have.
    pub const SEGMENTS: u64 = 1 << 2;
    /// The disk is read-only.
    pub const READ_ONLY: u64 = 1 << 5;
    /// There are requests to flush.
    pub const FLUSH: u64 = 1 << 9;
}

/// Buffers of data that a request can have: header and status have one each.
pub const SEGMENTS: u32 = MAX_BUFFERS as u32 - 2;
/// Bytes of each.
pub const SEGMENT_SIZE: u32 = 64 << 10;
/// Bytes of data of a request, which takes its time from other clients.
const LARGEST: u64 = SEGMENTS as u64 * SEGMENT_SIZE as u64;
/// What a request costs beyond its bytes.
const COST: u64 = 32 << 10;

/// Bytes of type, reserved word, and sector.
const HEADER: usize = 16;
const IDENTITY: &[u8; 20] = b"brio-memory-disk\0\0\0\0";

impl From<Inaccessible> for Failed {
    fn from(_: Inaccessible) -> Self {
        Self
    }
}

/// What a request costs of its client's turn, in bytes.
pub fn cost(chain: &Chain) -> u64 {
    COST + chain.readable_length() + chain.writable_length()
}

/// Does what a request asks for. The number of bytes written, for the driver; and whether it could
/// be told how it ended, for which a request must have a place.
pub fn handle<C: Content>(
    disk: &mut Disk<C>,
    chain: &Chain,
    memory: &impl Memory,
) -> Result<u32, Failed> {
    let data = chain.writable_length().checked_sub(1).ok_or(Failed)?;
    let mut header = [0; HEADER];
    let (status, written) = match chain.read(memory, 0, &mut header) {
        Ok(HEADER) => perform(disk, chain, memory, header, data),
        _ => (outcome::IO_ERROR, 0),
    };
    chain.write(memory, data, &[status])?;
    // Only what is written without a gap counts.
    Ok(match written == data {
        true => u32::try_from(data + 1).unwrap_or(u32::MAX),
        false => written as u32,
    })
}

fn perform<C: Content>(
    disk: &mut Disk<C>,
    chain: &Chain,
    memory: &impl Memory,
    header: [u8; HEADER],
    data: u64,
) -> (u8, u64) {
    let words = u128::from_le_bytes(header);
    let (kind, sector) = (words as u32, (words >> 64) as u64);
    let done = match kind {
        kind::IN => read(disk, chain, memory, sector, data).map(|()| data),
        kind::OUT => write(disk, chain, memory, sector).map(|()| 0),
        kind::FLUSH => Ok(0),
        kind::GET_ID => {
            let length = IDENTITY.len().min(data as usize);
            let written = chain.write(memory, 0, &IDENTITY[..length]);
            written.map(|length| length as u64).map_err(Failed::from)
        }
        _ => return (outcome::UNSUPPORTED, 0),
    };
    match done {
        Ok(written) => (outcome::OK, written),
        Err(Failed) => (outcome::IO_ERROR, 0),
    }
}

fn range<C: Content>(disk: &Disk<C>, sector: u64, length: u64) -> Result<Range<u64>, Failed> {
    match length {
        ..=LARGEST => disk.range(sector, length),
        _ => Err(Failed),
    }
}

fn read<C: Content>(
    disk: &Disk<C>,
    chain: &Chain,
    memory: &impl Memory,
    sector: u64,
    length: u64,
) -> Result<(), Failed> {
    let range = range(disk, sector, length)?;
    let start = range.start;
    let mut bytes = [0; BLOCK];
    for part in in_blocks(range) {
        let bytes = &mut bytes[..(part.end - part.start) as usize];
        disk.read(part.start, bytes);
        chain.write(memory, part.start - start, bytes)?;
    }
    Ok(())
}

fn write<C: Content>(
    disk: &mut Disk<C>,
    chain: &Chain,
    memory: &impl Memory,
    sector: u64,
) -> Result<(), Failed> {
    let length = chain.readable_length().checked_sub(HEADER as u64);
    let range = range(disk, sector, length.ok_or(Failed)?)?;
    let start = range.start;
    let mut bytes = [0; BLOCK];
    for part in in_blocks(range) {
        let bytes = &mut bytes[..(part.end - part.start) as usize];
        chain.read(memory, part.start - start + HEADER as u64, bytes)?;
        disk.write(part.start, bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use l4_virtio::fixture::Ram;
    use l4_virtio::{Buffer, DeviceQueue, DriverQueue, Layout};
    use proptest::collection::vec;
    use proptest::prelude::*;

    const HEADER_AT: u64 = 0x800;
    const STATUS_AT: u64 = 0x900;
    const DATA_AT: u64 = 0x1000;
    const UNTOUCHED: u8 = 0xee;

    struct World {
        memory: Ram,
        driver: DriverQueue<16>,
        device: DeviceQueue,
        disk: Disk<Vec<u8>>,
    }

    fn buffer(address: u64, length: u32) -> Buffer {
        Buffer { address, length }
    }

    impl World {
        fn new(writes: u64) -> Self {
            let memory = Ram::new(0x10000);
            let layout = Layout::contiguous(16, 0).unwrap();
            let content = (0..16384_u32).map(|at| (at / 512) as u8).collect();
            Self {
                driver: DriverQueue::new(layout, &memory).unwrap(),
                device: DeviceQueue::new(layout),
                memory,
                disk: Disk::new(content, 16384, writes).unwrap(),
            }
        }

        /// Status byte, and the length that comes back; `None` if the request could not be answered.
        fn request(
            &mut self,
            kind: u32,
            sector: u64,
            out: &[Buffer],
            data: &[Buffer],
        ) -> Option<(u8, u32)> {
            self.memory.write(HEADER_AT, &kind.to_le_bytes()).unwrap();
            self.memory
                .write(HEADER_AT + 8, &sector.to_le_bytes())
                .unwrap();
            self.memory.write(STATUS_AT, &[UNTOUCHED]).unwrap();
            let out = [&[buffer(HEADER_AT, 16)], out].concat();
            let data = [data, &[buffer(STATUS_AT, 1)]].concat();
            self.driver
                .offer(&self.memory, &out, &data)
                .unwrap()
                .unwrap();
            let chain = self.device.take(&self.memory).unwrap().unwrap();
            let written = handle(&mut self.disk, &chain, &self.memory);
            let length = written.unwrap_or(0);
            self.device.complete(&self.memory, chain, length).unwrap();
            self.driver.take(&self.memory).unwrap().unwrap();
            let mut status = [0];
            self.memory.read(STATUS_AT, &mut status).unwrap();
            written.ok().map(|length| (status[0], length))
        }

        fn bytes(&self, address: u64, length: usize) -> Vec<u8> {
            let mut bytes = vec![0; length];
            self.memory.read(address, &mut bytes).unwrap();
            bytes
        }
    }

    #[test]
    fn sectors_are_read_into_buffers_of_any_size() {
        let mut world = World::new(0);
        let pieces = [buffer(DATA_AT, 100), buffer(DATA_AT + 100, 412 + 7 * 512)];
        let answer = world.request(kind::IN, 3, &[], &pieces);
        assert_eq!(answer, Some((outcome::OK, 8 * 512 + 1)));
        for sector in 0..8 {
            let at = DATA_AT + sector * 512;
            assert_eq!(world.bytes(at, 512), [3 + sector as u8; 512]);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut world = World::new(8192);
        world.memory.write(DATA_AT, &[0xaa; 1024]).unwrap();
        let pieces = [buffer(DATA_AT, 1000), buffer(DATA_AT + 1000, 24)];
        // Across the border of two blocks.
        assert_eq!(
            world.request(kind::OUT, 7, &pieces, &[]),
            Some((outcome::OK, 1))
        );
        assert_eq!(
            world.request(kind::FLUSH, 0, &[], &[]),
            Some((outcome::OK, 1))
        );
        let all = [buffer(DATA_AT, 4 * 512)];
        assert_eq!(
            world.request(kind::IN, 6, &[], &all),
            Some((outcome::OK, 2049))
        );
        let expected = [[6; 512], [0xaa; 512], [0xaa; 512], [9; 512]].concat();
        assert_eq!(world.bytes(DATA_AT, 2048), expected);
    }

    #[test]
    fn a_read_only_disk_refuses_writes() {
        let mut world = World::new(0);
        let answer = world.request(kind::OUT, 0, &[buffer(DATA_AT, 512)], &[]);
        assert_eq!(answer, Some((outcome::IO_ERROR, 1)));
    }

    #[test]
    fn requests_beyond_the_end_or_of_odd_length_fail() {
        let mut world = World::new(16384);
        for (sector, length) in [
            (32, 512),
            (31, 1024),
            (u64::MAX, 512),
            (0, 100),
            (0, 16384 + 512),
        ] {
            let data = [buffer(DATA_AT, length)];
            let read = world.request(kind::IN, sector, &[], &data);
            assert_eq!(read.map(|answer| answer.0), Some(outcome::IO_ERROR));
            let write = world.request(kind::OUT, sector, &data, &[]);
            assert_eq!(write.map(|answer| answer.0), Some(outcome::IO_ERROR));
        }
        let unknown = world.request(99, 0, &[], &[]);
        assert_eq!(unknown, Some((outcome::UNSUPPORTED, 1)));
    }

    #[test]
    fn a_request_has_as_much_data_as_the_configuration_says_at_most() {
        const PART: u32 = 1 << 20;
        let mut world = World::new(0);
        world.memory = Ram::new(DATA_AT as usize + PART as usize);
        world.disk = Disk::new(Vec::new(), 2 * LARGEST, 2 * LARGEST).unwrap();
        // The same memory again and again.
        let mut data = [buffer(DATA_AT, PART); 4];
        data[3].length = (LARGEST % u64::from(PART)) as u32;
        for expected in [outcome::OK, outcome::IO_ERROR] {
            let answers = [
                world.request(kind::IN, 0, &[], &data),
                world.request(kind::OUT, 0, &data, &[]),
            ];
            assert_eq!(answers.map(|answer| answer.unwrap().0), [expected; 2]);
            data[3].length += 512;
        }
    }

    #[test]
    fn a_request_costs_what_it_copies_and_something_if_that_is_nothing() {
        let mut world = World::new(0);
        for (length, most) in [(0, 2 * COST), (1 << 30, 2 << 30)] {
            let buffers = [buffer(HEADER_AT, 16), buffer(DATA_AT, length)];
            (world.driver.offer(&world.memory, &buffers, &[]).unwrap()).unwrap();
            let chain = world.device.take(&world.memory).unwrap().unwrap();
            let cost = cost(&chain);
            assert!(cost > length.into() && (COST..most).contains(&cost));
        }
    }

    #[test]
    fn wild_addresses_fail_and_spoil_nothing() {
        let mut world = World::new(16384);
        for address in [0x10000, 0xfff0, u64::MAX, 1 << 60] {
            let data = [buffer(address, 512)];
            assert_eq!(
                world.request(kind::IN, 0, &[], &data),
                Some((outcome::IO_ERROR, 0))
            );
            let write = world.request(kind::OUT, 0, &data, &[]);
            assert_eq!(write.map(|answer| answer.0), Some(outcome::IO_ERROR));
        }
        let data = [buffer(DATA_AT, 512)];
        world.request(kind::IN, 0, &[], &data);
        assert_eq!(world.bytes(DATA_AT, 512), [0; 512]);
    }

    #[test]
    fn the_disk_tells_its_name() {
        let mut world = World::new(0);
        let answer = world.request(kind::GET_ID, 0, &[], &[buffer(DATA_AT, 20)]);
        assert_eq!(answer, Some((outcome::OK, 21)));
        assert_eq!(world.bytes(DATA_AT, 20), IDENTITY);
    }

    #[test]
    fn a_request_without_place_for_its_status_is_given_back() {
        let mut world = World::new(0);
        world
            .driver
            .offer(&world.memory, &[buffer(HEADER_AT, 16)], &[])
            .unwrap();
        let chain = world.device.take(&world.memory).unwrap().unwrap();
        assert_eq!(handle(&mut world.disk, &chain, &world.memory), Err(Failed));
    }

    proptest! {
        #[test]
        fn any_request_ends_well(
            header in any::<[u8; 16]>(),
            kind in 0..10_u32,
            sector in 0..40_u64,
            out in vec((0..0x12000_u64, 0..9000_u32), 0..4),
            data in vec((0..0x12000_u64, 0..9000_u32), 0..4),
        ) {
            let mut world = World::new(8192);
            world.memory.write(HEADER_AT, &header).unwrap();
            let list = |pieces: Vec<(u64, u32)>| -> Vec<Buffer> {
                pieces.into_iter().map(|(address, length)| buffer(address, length)).collect()
            };
            // The queue itself may be among what is overwritten; so no more than one request.
            let memory = &world.memory;
            memory.write(HEADER_AT, &kind.to_le_bytes()).unwrap();
            memory.write(HEADER_AT + 8, &sector.to_le_bytes()).unwrap();
            let out = [vec![buffer(HEADER_AT, 16)], list(out)].concat();
            world.driver.offer(memory, &out, &list(data)).unwrap().unwrap();
            let chain = world.device.take(memory).unwrap().unwrap();
            if let Ok(written) = handle(&mut world.disk, &chain, memory) {
                prop_assert!(u64::from(written) <= chain.writable_length());
            }
        }
    }
}
