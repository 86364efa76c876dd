//! Which CPUs there are.

use core::fmt::Write;

use l4_test::abi::protocol::label;
use l4_test::message::word;
use l4_test::{Message, own};

/// The CPUs that are there, a bit each.
pub(crate) fn online() -> u64 {
    own::scheduler().info().unwrap().cpus
}

/// The answer to `info` for this offset and granularity.
fn info(offset: u64, granularity: u64) -> u64 {
    let words = [0, granularity << 24 | offset];
    let reply = Message::new(label::SCHEDULER)
        .words(&words)
        .call(*own::scheduler());
    assert_eq!(reply.outcome(), Ok(0));
    word(0)
}

/// The test's description says how many lines like this are right.
pub(crate) fn all_cpus_are_told() {
    let online = online();
    assert_eq!(online & (online + 1), 0, "{online:#b}");
    let mut line = Line::default();
    let _ = writeln!(line, "this machine has {} CPUs", online.count_ones());
    own::log().write(line.text()).unwrap();
}

pub(crate) fn a_set_begins_at_its_offset() {
    let online = online();
    for offset in 0..64 {
        assert_eq!(info(offset, 0), online >> offset, "{offset}");
    }
}

pub(crate) fn a_bit_of_a_coarse_set_is_many_cpus() {
    let count = u64::from(online().count_ones());
    assert_eq!(info(0, 1), (1 << count.div_ceil(2)) - 1);
    assert_eq!(info(0, 2), (1 << count.div_ceil(4)) - 1);
    assert_eq!(info(0, 24), 1);
}

/// A line of text.
#[derive(Default)]
struct Line {
    bytes: [u8; 32],
    length: usize,
}

impl Line {
    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end);
        place
            .ok_or(core::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
