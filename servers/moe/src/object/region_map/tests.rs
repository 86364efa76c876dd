//! Tests of the region map.

use super::*;
use crate::bank::tests::bank;
use crate::object::ObjectId;

const LAST: u64 = 0x7fff_ffff_ffff;

fn map(bank: &mut Bank) -> RegionMap {
    RegionMap::new(bank, AccountId::ROOT, LAST).unwrap()
}

fn region(flags: u32) -> Region {
    Region {
        first: 0,
        last: 0,
        flags: Flags::from_bits_retain(flags),
        memory: Some(ObjectId::for_test(1)),
        owns_memory: false,
        offset: 0x10_0000,
        client_capability: 0x2_2000,
        backing_offset: 0x800,
        name: Name::new(b"name"),
    }
}

fn at_address(start: u64, size: u64) -> Place {
    Place {
        start,
        size,
        flags: Flags::empty(),
        alignment: 12,
    }
}

fn search(start: u64, size: u64, alignment: u8) -> Place {
    Place {
        start,
        size,
        flags: Flags::SEARCH_ADDRESS,
        alignment,
    }
}

fn attach(map: &mut RegionMap, bank: &mut Bank, place: Place) -> Result<u64, ResultCode> {
    map.attach(bank, place, region(7))
}

#[test]
fn a_search_finds_the_first_gap_on_its_boundary() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    assert_eq!(
        attach(&mut map, bank, at_address(0x10_0000, 0x2000)),
        Ok(0x10_0000)
    );
    assert_eq!(
        attach(&mut map, bank, at_address(0x10_3000, 0x1000)),
        Ok(0x10_3000)
    );
    assert_eq!(
        attach(&mut map, bank, search(0x10_0000, 0x1000, 12)),
        Ok(0x10_2000)
    );
    assert_eq!(
        attach(&mut map, bank, search(0x10_0000, 0x1001, 12)),
        Ok(0x10_4000)
    );
    assert_eq!(attach(&mut map, bank, search(0, 1, 20)), Ok(0x20_0000));
    assert_eq!(
        attach(&mut map, bank, search(0, 1, 12)),
        Ok(0x1000),
        "page 0 stays free"
    );
    let too_large = attach(&mut map, bank, search(0, LAST, 12));
    assert_eq!(too_large, Err(ResultCode::EADDRNOTAVAIL));
}

#[test]
fn absurd_places_are_refused() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    for (place, error) in [
        (at_address(0x1000, 0), ResultCode::EINVAL),
        (at_address(0x1000, u64::MAX), ResultCode::EINVAL),
        (at_address(u64::MAX, 0x2000), ResultCode::EINVAL),
        (at_address(LAST, 0x2000), ResultCode::EADDRNOTAVAIL),
        (at_address(u64::MAX, 1), ResultCode::EADDRNOTAVAIL),
        (at_address(0, 1), ResultCode::EADDRNOTAVAIL),
        (search(0, 1, 11), ResultCode::EINVAL),
        (search(0, 1, 64), ResultCode::EINVAL),
        (search(1, 1, 63), ResultCode::EADDRNOTAVAIL),
        (search(u64::MAX, 1, 12), ResultCode::EADDRNOTAVAIL),
    ] {
        assert_eq!(attach(&mut map, bank, place), Err(error), "{place:?}");
    }
    assert!(map.regions_from(0).is_empty());
}

#[test]
fn regions_never_overlap() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    attach(&mut map, bank, at_address(0x5000, 0x3000)).unwrap();
    for (start, size) in [
        (0x5000, 1),
        (0x7fff, 1),
        (0x4000, 0x1001),
        (0x1000, 0x10000),
    ] {
        let refused = attach(&mut map, bank, at_address(start, size));
        assert_eq!(refused, Err(ResultCode::EADDRNOTAVAIL));
    }
    assert_eq!(
        attach(&mut map, bank, at_address(0x4000, 0x1000)),
        Ok(0x4000)
    );
    assert_eq!(
        attach(&mut map, bank, at_address(0x8000, 0x1000)),
        Ok(0x8000)
    );
}

#[test]
fn areas_keep_others_out_and_let_their_own_in() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    let area = map.reserve(bank, search(0x10_0000, 0x4000, 14)).unwrap();
    assert_eq!(area, 0x10_0000);
    let in_area = |mut place: Place| {
        place.flags |= Flags::IN_AREA;
        place
    };
    let refused = Err(ResultCode::EADDRNOTAVAIL);
    assert_eq!(
        attach(&mut map, bank, at_address(0x10_1000, 0x1000)),
        refused
    );
    assert_eq!(
        attach(&mut map, bank, search(0x10_0000, 0x1000, 12)),
        Ok(0x10_4000)
    );
    let inside = attach(&mut map, bank, in_area(search(0x10_1000, 0x2000, 12)));
    assert_eq!(inside, Ok(0x10_1000));
    assert_eq!(
        attach(&mut map, bank, in_area(search(0x10_1000, 0x2000, 12))),
        refused
    );
    assert_eq!(
        attach(&mut map, bank, in_area(at_address(0x10_3000, 0x2000))),
        refused
    );
    assert_eq!(
        attach(&mut map, bank, in_area(at_address(0x20_0000, 0x1000))),
        refused
    );
    assert!(
        matches!(map.find(0x10_3000, 1), Ok(found) if found.first == area && found.memory.is_none())
    );
    map.free_area(0x10_3fff).unwrap();
    assert_eq!(map.free_area(0x10_3fff), Err(ResultCode::ENOENT));
    assert_eq!(
        attach(&mut map, bank, at_address(0x10_0000, 0x1000)),
        Ok(0x10_0000)
    );
}

#[test]
fn detaching_part_of_a_region_keeps_the_rest() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    attach(&mut map, bank, at_address(0x10_0000, 0x5000)).unwrap();
    let middle = map
        .detach(bank, 0x10_2000, 0x1000, DetachFlags::EXACT)
        .unwrap();
    assert_eq!((middle.first, middle.last), (0x10_2000, 0x10_2fff));
    assert_eq!(
        (middle.result, middle.regions_more),
        (detach_result::SPLIT, 1)
    );
    let tail = map.region_at(0x10_3000).unwrap();
    assert_eq!((tail.first, tail.offset), (0x10_3000, 0x10_3000));
    assert_eq!(tail.backing_offset, 0x3800);
    let end = map
        .detach(bank, 0x10_4000, 0x9000, DetachFlags::EXACT)
        .unwrap();
    assert_eq!((end.first, end.last), (0x10_4000, 0x10_4fff));
    assert_eq!((end.result, end.regions_more), (detach_result::KEPT, 0));
    let whole = map
        .detach(bank, 0x10_1000, 1, DetachFlags::empty())
        .unwrap();
    assert_eq!((whole.first, whole.last), (0x10_0000, 0x10_1fff));
    assert_eq!(
        (whole.result, whole.regions_more),
        (detach_result::DETACHED, -1)
    );
    assert!(map.detach(bank, 0x10_0000, 1, DetachFlags::EXACT).is_err());
}

#[test]
fn offsets_that_wrap_around_are_refused() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    let at_end = |pages: u64| Region {
        offset: 0_u64.wrapping_sub(pages * 0x1000),
        ..region(7)
    };
    let place = at_address(0x10_0000, 0x3000);
    assert_eq!(map.attach(bank, place, at_end(1)), Err(ResultCode::ERANGE));
    assert_eq!(map.attach(bank, place, at_end(2)), Err(ResultCode::ERANGE));
    assert_eq!(map.attach(bank, place, at_end(3)), Ok(0x10_0000));
    let detached = map.detach(bank, 0x10_1000, 0x1000, DetachFlags::EXACT);
    assert_eq!(detached.unwrap().result, detach_result::SPLIT);
    assert_eq!(map.region_at(0x10_2000).unwrap().offset, !0xfff);
}

#[test]
fn an_exact_detach_takes_what_lies_in_the_range_out_of_each_region() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    attach(&mut map, bank, at_address(0x10_0000, 0x2000)).unwrap();
    attach(&mut map, bank, at_address(0x10_3000, 0x2000)).unwrap();
    let mut detach = || map.detach(bank, 0x10_1000, 0x3000, DetachFlags::EXACT);
    let first = detach().unwrap();
    assert_eq!((first.first, first.last), (0x10_1000, 0x10_1fff));
    assert_eq!(first.result, detach_result::KEPT | detach_result::AGAIN);
    // What the range begins with is free now.
    let second = detach().unwrap();
    assert_eq!((second.first, second.last), (0x10_3000, 0x10_3fff));
    assert_eq!(second.result, detach_result::KEPT);
    assert_eq!(detach().unwrap_err(), ResultCode::ENOENT);
    assert_eq!(map.region_at(0x10_4000).unwrap().offset, 0x10_1000);
}

#[test]
fn an_overlapping_detach_says_when_there_is_more() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    attach(&mut map, bank, at_address(0x10_0000, 0x1000)).unwrap();
    attach(&mut map, bank, at_address(0x10_4000, 0x1000)).unwrap();
    let flags = DetachFlags::EXACT | DetachFlags::OVERLAP;
    let first = map.detach(bank, 0xf_0000, 0x10_0000, flags).unwrap();
    assert_eq!(first.first, 0x10_0000);
    assert_eq!(first.result, detach_result::DETACHED | detach_result::AGAIN);
    let second = map.detach(bank, 0xf_0000, 0x10_0000, flags).unwrap();
    assert_eq!(
        (second.first, second.result),
        (0x10_4000, detach_result::DETACHED)
    );
    assert_eq!(
        map.detach(bank, 0xf_0000, 0x10_0000, flags).unwrap_err(),
        ResultCode::ENOENT
    );
}

#[test]
fn faults_are_answered_within_the_rights_of_the_region() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    let place = |start| at_address(start, 0x1000);
    map.attach(bank, place(0x1000), region(MemoryRights::RX.bits().into()))
        .unwrap();
    map.attach(bank, place(0x2000), region(MemoryRights::RW.bits().into()))
        .unwrap();
    let reserved = Flags::RESERVED.bits() | u32::from(MemoryRights::RW.bits());
    map.attach(bank, place(0x3000), region(reserved)).unwrap();
    let error = |address, access| map.region_for(address, access).unwrap_err();
    assert!(map.region_for(0x1fff, MemoryRights::EXECUTE).is_ok());
    assert_eq!(error(0x1000, MemoryRights::WRITE), ResultCode::EACCESS);
    assert_eq!(error(0x2000, MemoryRights::EXECUTE), ResultCode::EACCESS);
    assert_eq!(error(0x3000, MemoryRights::READ), ResultCode::ENODEV);
    assert_eq!(error(0x4000, MemoryRights::READ), ResultCode::ENOMEM);
}

#[test]
fn lists_start_where_asked() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    for start in [0x3000, 0x1000, 0x8000] {
        attach(&mut map, bank, at_address(start, 0x1000)).unwrap();
    }
    let firsts: Vec<_> = map
        .regions_from(0x1001)
        .iter()
        .map(|region| region.first)
        .collect();
    assert_eq!(firsts, [0x3000, 0x8000]);
    assert_eq!(map.areas_from(0).len(), 1);
    assert!(map.areas_from(u64::MAX).is_empty());
}

#[test]
fn a_watcher_is_paid_for_until_the_map_goes() {
    let bank = &mut bank(64);
    let mut map = map(bank);
    assert_eq!(map.watch(bank, Selector::new(0x20)), Ok(()));
    assert_eq!(map.watch(bank, Selector::new(0x21)), Err(ResultCode::EBUSY));
    map.destroy(bank);
    assert_eq!(bank.statement(AccountId::ROOT).used, 0);
}
