//! The frames of a port as a capture file (pcap), in memory that others can read, or printed.
//!
//! In memory the file has no end of its own: it ends with a record whose length is zero, which is there
//! from the beginning, since the memory is zeroed. When the memory is full, nothing more is captured.

use core::fmt;
use core::time::Duration;

use l4_rt::println;

/// Bytes of the file's head.
pub const FILE_HEADER: usize = 24;
/// Bytes of a record's head.
pub const RECORD_HEADER: usize = 16;

/// Microseconds; this byte order.
const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: u32 = 2 | 4 << 16;
const LONGEST: u32 = 65_535;
const ETHERNET: u32 = 1;

/// Where a capture is written to.
pub trait Target {
    /// Bytes that it can hold.
    fn size(&self) -> u64;
    /// Writes there; out of range nothing happens.
    fn write(&self, offset: u64, bytes: &[u8]);
}

impl Target for l4_memory::Shared {
    fn size(&self) -> u64 {
        self.size()
    }

    fn write(&self, offset: u64, bytes: &[u8]) {
        // What cannot be written is missing in the capture, no more.
        let _ = self.try_write(offset, bytes);
    }
}

/// Prints what is written, for `cargo xtask run --capture`: `pcap OFFSET BYTES`, in hexadecimal.
#[derive(Debug)]
pub struct Log;

/// Bytes of one line.
const LINE: usize = 160;

impl Target for Log {
    fn size(&self) -> u64 {
        u64::MAX
    }

    fn write(&self, offset: u64, bytes: &[u8]) {
        for (line, bytes) in bytes.chunks(LINE).enumerate() {
            let offset = offset + (line * LINE) as u64;
            println!("pcap {offset:x} {}", Hexadecimal(bytes));
        }
    }
}

struct Hexadecimal<'a>(&'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0.iter();
        bytes.try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// A capture that goes on.
#[derive(Debug)]
pub struct Capture<T> {
    target: T,
    end: u64,
}

impl<T: Target> Capture<T> {
    /// Begins a file.
    pub fn new(target: T) -> Self {
        let words = [MAGIC, VERSION, 0, 0, LONGEST, ETHERNET];
        target.write(0, bytes(words).as_flattened());
        Self {
            target,
            end: FILE_HEADER as u64,
        }
    }

    /// Adds a frame that was seen `time` after the system's start.
    pub fn add(&mut self, time: Duration, frame: &[u8]) {
        let start = self.end + RECORD_HEADER as u64;
        let end = start + frame.len() as u64;
        // The record that ends the file must have room behind it.
        if end + RECORD_HEADER as u64 > self.target.size() {
            return;
        }
        let length = frame.len() as u32;
        let words = [time.as_secs() as u32, time.subsec_micros(), length, length];
        self.target.write(start, frame);
        self.target.write(self.end, bytes(words).as_flattened());
        self.end = end;
    }
}

fn bytes<const N: usize>(words: [u32; N]) -> [[u8; 4]; N] {
    words.map(u32::to_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    impl Target for &RefCell<Vec<u8>> {
        fn size(&self) -> u64 {
            self.borrow().len() as u64
        }

        fn write(&self, offset: u64, bytes: &[u8]) {
            let start = offset as usize;
            self.borrow_mut()[start..start + bytes.len()].copy_from_slice(bytes);
        }
    }

    #[test]
    fn the_file_has_a_head_and_a_record_for_each_frame_that_fits() {
        let memory = RefCell::new(vec![0; 24 + 2 * (16 + 60) + 16 + 59]);
        let mut capture = Capture::new(&memory);
        let frame = |byte| [byte; 60];
        for number in 1..=3 {
            capture.add(Duration::from_micros(2_000_005), &frame(number));
        }
        let file = memory.borrow();
        assert_eq!(file[..8], [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]);
        assert_eq!(file[20..24], [1, 0, 0, 0]);
        let second = 24 + 16 + 60;
        assert_eq!(
            file[24..40],
            [2, 0, 0, 0, 5, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0]
        );
        assert_eq!(file[40..second], frame(1));
        assert_eq!(file[second + 16..second + 76], frame(2));
        // The third did not fit: there the file ends.
        assert!(file[second + 76..].iter().all(|byte| *byte == 0));
    }
}
