//! Placement: nothing overlaps.

use core::ops::Range;
use std::{vec, vec::Vec};

use proptest::prelude::*;

use crate::memory_map::{FirmwareUse, MemoryMap};

const LOW: u64 = MemoryMap::LOW_MEMORY_END;

#[test]
fn the_lowest_place_that_fits_is_taken() {
    let mut map = MemoryMap::new(4 << 30);
    map.add_ram(0..0x9_f000).unwrap();
    map.add_ram(LOW..LOW + 0x10000).unwrap();
    map.occupy(LOW + 0x1000..LOW + 0x1800).unwrap();
    map.add_firmware(LOW + 0x4000..LOW + 0x5000, FirmwareUse::AcpiNvs)
        .unwrap();
    let mut claim = |size, align| map.claim_any(size, align).map(|block| block.range());
    assert_eq!(claim(0x1000, 1), Ok(LOW..LOW + 0x1000));
    assert_eq!(
        claim(0x2001, 1),
        Ok(LOW + 0x5000..LOW + 0x8000),
        "neither before nor between"
    );
    assert_eq!(claim(0x2000, 1), Ok(LOW + 0x2000..LOW + 0x4000), "the gap");
    assert_eq!(claim(0x1000, 0x4000), Ok(LOW + 0x8000..LOW + 0x9000));
    assert!(claim(0x1_0000, 1).is_err());
    assert!(claim(u64::MAX, 1).is_err());
    assert!(claim(1, 1 << 63).is_err());
}

#[test]
fn a_place_is_claimed_once_and_only_in_ram() {
    let mut map = MemoryMap::new(LOW + 0x4000);
    map.add_ram(LOW..LOW + 0x1000).unwrap();
    map.add_ram(LOW + 0x1000..LOW + 0x8000).unwrap();
    let mut claim = |range: Range<u64>| map.claim(range).unwrap().is_some();
    assert!(claim(LOW + 0x800..LOW + 0x1800), "neighbouring RAM is one");
    assert!(!claim(LOW + 0x17ff..LOW + 0x1801));
    assert!(claim(LOW + 0x1800..LOW + 0x1801));
    assert!(!claim(LOW - 1..LOW + 1));
    assert!(!claim(LOW + 0x3000..LOW + 0x4001), "above the limit");
}

proptest! {
    #[test]
    fn claims_never_overlap(
        firmware in proptest::collection::vec((0u64..0x100, 1u64..0x10), 0..8),
        sizes in proptest::collection::vec((1u64..0x8000, 0u32..4), 1..20),
    ) {
        let mut map = MemoryMap::new(u64::MAX);
        map.add_ram(LOW..LOW + 0x10_0000).unwrap();
        let mut taken: Vec<Range<u64>> = vec![];
        for (start, size) in firmware {
            let range = LOW + start * 0x1000..LOW + (start + size) * 0x1000;
            map.add_firmware(range.clone(), FirmwareUse::Reserved).unwrap();
            taken.push(range);
        }
        for (size, shift) in sizes {
            let Ok(block) = map.claim_any(size, 0x1000 << shift) else { continue };
            let range = block.range();
            prop_assert_eq!(range.start % (0x1000 << shift), 0);
            prop_assert!(range.end - range.start >= size);
            prop_assert!(LOW <= range.start && range.end <= LOW + 0x10_0000);
            prop_assert!(taken.iter().all(|taken| taken.end <= range.start || range.end <= taken.start));
            taken.push(range);
        }
    }
}
