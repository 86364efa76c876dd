//! The kernel's trace buffers (`l4_abi::trace`), found in a copy of the machine's memory.

use crate::failure::{Context, Result, fail};
use l4_abi::trace::{ENTRY_SIZE, Kind, MAGIC, NAMES, NUMBER_SHIFT};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Where the kernel says that a buffer is, in physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub address: u64,
    pub size: u64,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub cpu: u64,
    pub ticks: u64,
    pub kind: Kind,
    pub number: u64,
    pub values: [u64; 2],
}

/// All that was noted.
#[derive(Debug, Default)]
pub struct Trace {
    /// In the order of time, those of one CPU as it wrote them.
    pub entries: Vec<Entry>,
    /// Names of objects by number; the last that each got.
    pub names: BTreeMap<u64, String>,
    pub ticks_per_second: u64,
    pub cpus: Vec<u64>,
    /// Entries that were overwritten.
    pub lost: u64,
}

impl Trace {
    /// Reads the buffers at these places of the memory in `file`, which begins at `base`.
    pub fn read(file: &File, base: u64, places: &[Place]) -> Result<Self> {
        let mut trace = Self::default();
        for place in places {
            let Some(offset) = place.address.checked_sub(base) else {
                fail!(
                    "the kernel's trace buffer at {:#x} is not in memory",
                    place.address
                );
            };
            let mut bytes = vec![0; usize::try_from(place.size).unwrap_or(0)];
            file.read_exact_at(&mut bytes, offset)
                .context(|| "reading a trace buffer in the machine's memory")?;
            trace.add(&bytes)?;
        }
        trace.entries.sort_by_key(|entry| entry.ticks);
        Ok(trace)
    }

    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        let mut entries = bytes.chunks_exact(ENTRY_SIZE).map(words);
        let Some([MAGIC, owner, written, ticks_per_second]) = entries.next() else {
            fail!("there is no trace buffer where the kernel says it is");
        };
        let slots: Vec<[u64; 4]> = entries.collect();
        let capacity = slots.len() as u64;
        self.ticks_per_second = ticks_per_second.max(1);
        if owner == NAMES {
            for slot in &slots[..written.min(capacity) as usize] {
                let bytes = [slot[2].to_le_bytes(), slot[3].to_le_bytes()].concat();
                let name = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
                let name = String::from_utf8_lossy(name).into_owned();
                self.names.insert(slot[1] >> NUMBER_SHIFT, name);
            }
            return Ok(());
        }
        self.cpus.push(owner);
        let oldest = written.saturating_sub(capacity);
        self.lost += oldest;
        let mut last = 0;
        for number in oldest..written {
            let [ticks, kind, first, second] = slots[(number % capacity) as usize];
            let number = kind >> NUMBER_SHIFT;
            let Some(kind) = Kind::from_word(kind) else {
                fail!("a trace buffer has an entry of an unknown kind");
            };
            // The order in which a CPU wrote is certain, whatever its clock says.
            last = ticks.max(last);
            self.entries.push(Entry {
                cpu: owner,
                ticks: last,
                kind,
                number,
                values: [first, second],
            });
        }
        Ok(())
    }
}

fn words(entry: &[u8]) -> [u64; 4] {
    let (words, _) = entry.as_chunks::<8>();
    [0, 1, 2, 3].map(|index| words.get(index).map_or(0, |word| u64::from_le_bytes(*word)))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A buffer with room for `capacity` entries, of which `written` were written.
    fn buffer(owner: u64, written: u64, slots: &[[u64; 4]]) -> Vec<u8> {
        let header = [MAGIC, owner, written, 1_000_000_000];
        let all = std::iter::once(&header).chain(slots);
        all.flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn slot(ticks: u64, kind: Kind, number: u64, values: [u64; 2]) -> [u64; 4] {
        [
            ticks,
            kind as u64 | number << NUMBER_SHIFT,
            values[0],
            values[1],
        ]
    }

    #[test]
    fn a_ring_is_read_from_its_oldest_entry() {
        let slots = [4, 5, 3].map(|ticks| slot(ticks, Kind::Leave, ticks, [0, 0]));
        let mut trace = Trace::default();
        trace.add(&buffer(0, 5, &slots)).unwrap();
        let ticks: Vec<u64> = trace.entries.iter().map(|entry| entry.ticks).collect();
        assert_eq!((ticks, trace.lost), (vec![3, 4, 5], 2));
        assert_eq!(trace.cpus, [0]);
    }

    #[test]
    fn the_last_name_counts() {
        let text = |text: &[u8; 8]| u64::from_le_bytes(*text);
        let slots = [
            slot(1, Kind::Name, 7, [text(b"root\0\0\0\0"), 0]),
            slot(2, Kind::Name, 7, [text(b"a-longer"), text(b"-name-16")]),
            slot(3, Kind::Name, 9, [text(b"unused\0\0"), 0]),
        ];
        let mut trace = Trace::default();
        trace.add(&buffer(NAMES, 2, &slots)).unwrap();
        assert_eq!(
            trace.names,
            BTreeMap::from([(7, "a-longer-name-16".to_owned())])
        );
    }

    #[test]
    fn what_is_no_buffer_is_refused() {
        assert!(Trace::default().add(&[0; 64]).is_err());
        assert!(Trace::default().add(&[]).is_err());
        let unknown = [[1, 200, 0, 0]];
        assert!(Trace::default().add(&buffer(0, 1, &unknown)).is_err());
    }
}
